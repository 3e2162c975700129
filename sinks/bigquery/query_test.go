package bigquery

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"leadsync/sinks/bigquery/bqtest"
)

// TestQuery reads every kind of value. It catches a wrong Go type, a record
// without its names, rows before columns, and a query that is not tried dry or
// not bounded.
func TestQuery(t *testing.T) {
	server, c := start(t)
	c.MaxBytesBilled = 1 << 30
	w := openWarehouse(t, c)
	when := time.Date(2024, 2, 29, 15, 59, 59, 999_999_000, time.UTC)
	record := bq.Schema{{Name: "a", Type: bq.StringFieldType}, {Name: "b", Type: bq.IntegerFieldType}}
	schema := bq.Schema{
		{Name: "text", Type: bq.StringFieldType}, {Name: "int", Type: bq.IntegerFieldType},
		{Name: "float", Type: bq.FloatFieldType}, {Name: "bool", Type: bq.BooleanFieldType},
		{Name: "time", Type: bq.TimestampFieldType}, {Name: "bytes", Type: bq.BytesFieldType},
		{Name: "json", Type: bq.JSONFieldType}, {Name: "null", Type: bq.StringFieldType},
		{Name: "list", Type: bq.IntegerFieldType, Repeated: true},
		{Name: "record", Type: bq.RecordFieldType, Schema: record},
		{Name: "records", Type: bq.RecordFieldType, Repeated: true, Schema: record},
	}
	rows := [][]any{
		{"x", int64(1), 1.5, true, when, []byte{0xff, 0}, `{"a":1}`, nil, []any{int64(1), int64(2)},
			[]any{"r", int64(3)}, []any{[]any{"s", int64(4)}, []any{nil, nil}}},
		{nil, nil, nil, nil, nil, nil, nil, nil, []any{}, nil, []any{}},
	}
	var tried atomic.Int32
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		if q.Dataset != dataset || q.MaxBytesBilled != 1<<30 || q.SQL != "SELECT * FROM t" {
			t.Errorf("query %+v", q)
		}
		if q.DryRun != (tried.Add(1) == 1) {
			t.Errorf("query %d: dry run %t", tried.Load(), q.DryRun)
		}
		return &bqtest.Result{Schema: schema, Rows: rows}, nil
	})
	var names []string
	var got [][]any
	err := w.Query(t.Context(), "SELECT * FROM t", func(list []string) error {
		names = list
		return nil
	}, func(row []any) error {
		if names == nil {
			t.Error("a row came before the columns")
		}
		got = append(got, append([]any(nil), row...))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{
		{"x", int64(1), 1.5, true, when, []byte{0xff, 0}, `{"a":1}`, nil, []any{int64(1), int64(2)},
			map[string]any{"a": "r", "b": int64(3)},
			[]any{map[string]any{"a": "s", "b": int64(4)}, map[string]any{"a": nil, "b": nil}}},
		{nil, nil, nil, nil, nil, nil, nil, nil, []any{}, nil, []any{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if strings.Join(names, " ") != "text int float bool time bytes json null list record records" {
		t.Errorf("columns %v", names)
	}
}

// TestPlain covers the values that come as text.
func TestPlain(t *testing.T) {
	rat := func(s string) *big.Rat {
		r, _ := new(big.Rat).SetString(s)
		return r
	}
	for _, test := range []struct {
		value bq.Value
		typ   bq.FieldType
		want  any
	}{
		{rat("12.50"), bq.NumericFieldType, "12.5"},
		{rat("1000"), bq.NumericFieldType, "1000"},
		{rat("-0.00000000000000000000000000000000000001"), bq.BigNumericFieldType, "-0.00000000000000000000000000000000000001"},
		{civil.Date{Year: 2024, Month: 2, Day: 29}, bq.DateFieldType, "2024-02-29"},
		{civil.Time{Hour: 1, Minute: 2, Second: 3}, bq.TimeFieldType, "01:02:03"},
		{civil.DateTime{Date: civil.Date{Year: 2024, Month: 2, Day: 29}}, bq.DateTimeFieldType, "2024-02-29T00:00:00"},
		{&bq.IntervalValue{Years: 1}, bq.IntervalFieldType, "1-0 0 0:0:0"},
		{&bq.RangeValue{Start: civil.Date{Year: 2024, Month: 2, Day: 29}}, bq.RangeFieldType, "[2024-02-29, UNBOUNDED)"},
		{&bq.RangeValue{End: time.Unix(0, 0).UTC()}, bq.RangeFieldType, "[UNBOUNDED, 1970-01-01T00:00:00Z)"},
	} {
		if got := plain(test.value, &bq.FieldSchema{Type: test.typ}); got != test.want {
			t.Errorf("%s: %v, want %v", test.typ, got, test.want)
		}
	}
}

// TestQueryManyRows reads more than a page, and none.
func TestQueryManyRows(t *testing.T) {
	server, c := start(t)
	w := openWarehouse(t, c)
	for _, n := range []int{0, 30_000} {
		server.OnQuery(func(*bqtest.Query) (*bqtest.Result, error) {
			r := &bqtest.Result{Schema: bq.Schema{{Name: "n", Type: bq.IntegerFieldType}}}
			for i := range n {
				r.Rows = append(r.Rows, []any{int64(i)})
			}
			return r, nil
		})
		columns, rows := 0, 0
		err := w.Query(t.Context(), "SELECT n", func(list []string) error {
			columns += len(list)
			return nil
		}, func(row []any) error {
			if row[0] != int64(rows) {
				return fmt.Errorf("row %d is %v", rows, row)
			}
			rows++
			return nil
		})
		if err != nil || columns != 1 || rows != n {
			t.Errorf("%d columns and %d rows of %d, %v", columns, rows, n, err)
		}
	}
}

// TestQueryRefuses has statements that would write. It catches one that is
// run.
func TestQueryRefuses(t *testing.T) {
	server, c := start(t)
	w := openWarehouse(t, c)
	var ran atomic.Int32
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		if !q.DryRun {
			ran.Add(1)
		}
		r := &bqtest.Result{}
		if strings.Contains(q.SQL, ";") {
			r.StatementType = "SCRIPT"
		}
		if strings.Contains(q.SQL, "nonsense") {
			return nil, errors.New("Syntax error")
		}
		return r, nil
	})
	nothing := func([]string) error { return nil }
	for _, sql := range []string{
		"DELETE FROM events_log WHERE true", "CREATE TABLE x AS SELECT 1", "SELECT 1; DROP TABLE events_log", "nonsense",
	} {
		if err := w.Query(t.Context(), sql, nothing, func([]any) error { return nil }); err == nil {
			t.Errorf("%s: no error", sql)
		}
	}
	if n := ran.Load(); n > 0 {
		t.Errorf("%d statements were run", n)
	}
}

// TestQueryEnds ends a query by its own functions and by the context.
func TestQueryEnds(t *testing.T) {
	server, c := start(t)
	w := openWarehouse(t, c)
	server.OnQuery(func(*bqtest.Query) (*bqtest.Result, error) {
		return &bqtest.Result{Schema: bq.Schema{{Name: "n", Type: bq.IntegerFieldType}}, Rows: [][]any{{int64(1)}, {int64(2)}}}, nil
	})
	enough := errors.New("enough")
	rows := 0
	err := w.Query(t.Context(), "SELECT n", func([]string) error { return nil }, func([]any) error { rows++; return enough })
	if !errors.Is(err, enough) || rows != 1 {
		t.Errorf("after %d rows: %v, want the function's error after the first", rows, err)
	}
	if err := w.Query(t.Context(), "SELECT n", func([]string) error { return enough }, nil); !errors.Is(err, enough) {
		t.Errorf("error of columns: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Query(ctx, "SELECT n", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}
