package bqtest

import (
	"errors"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/iterator"
)

func read(it *bq.RowIterator) ([][]bq.Value, error) {
	var rows [][]bq.Value
	for {
		var row []bq.Value
		err := it.Next(&row)
		if errors.Is(err, iterator.Done) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// TestQuery would catch a value of any type that is lost on one of the two
// ways to query, and a setting of the query that the test's function does not
// see.
func TestQuery(t *testing.T) {
	s := New(t)
	c, ctx := restClient(t, s), deadline(t)
	if _, err := c.Query("SELECT 1").Read(ctx); reason(err) != "501 notImplemented" {
		t.Errorf("without a function: %v, want 501 notImplemented", err)
	}
	at := time.Date(2026, 11, 5, 1, 2, 3, 456789000, time.UTC)
	want := [][]bq.Value{
		{"a", at, int64(1) << 60, true, 0.1, []byte{1, 0}, `{"a":1}`, []bq.Value{"x", "y"}, []bq.Value{[]bq.Value{"f", nil}}, nil},
		{nil, nil, nil, nil, nil, nil, nil, []bq.Value(nil), []bq.Value(nil), at},
	}
	s.OnQuery(func(q *Query) (*Result, error) {
		if q.SQL != "SELECT *" || q.Dataset != ds || !q.NoCache || q.MaxBytesBilled != 99 || q.Labels["a"] != "b" || q.Project != project || q.DryRun || q.Parameters != 1 {
			t.Errorf("query %+v", q)
		}
		return &Result{Schema: schema(), Rows: [][]any{
			{"a", at, int64(1) << 60, true, 0.1, []byte{1, 0}, `{"a":1}`, []any{"x", "y"}, []any{[]any{"f", nil}}, nil},
			{nil, nil, nil, nil, nil, nil, nil, nil, nil, at},
		}}, nil
	})
	for name, edit := range map[string]func(*bq.Query){
		"short way": func(*bq.Query) {},
		"job":       func(q *bq.Query) { q.JobID = "mine" },
	} {
		q := c.Query("SELECT *")
		q.DefaultDatasetID, q.DisableQueryCache, q.MaxBytesBilled, q.Labels = ds, true, 99, map[string]string{"a": "b"}
		q.Parameters = []bq.QueryParameter{{Value: 1}}
		edit(q)
		it, err := q.Read(ctx)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := read(it)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if it.TotalRows != 2 || len(it.Schema) != len(schema()) {
			t.Errorf("%s: %d rows of %d columns", name, it.TotalRows, len(it.Schema))
		}
	}
	again := c.Query("SELECT *")
	again.JobID, again.Dst = "mine", nil
	s.OnQuery(func(*Query) (*Result, error) {
		t.Error("the same job is run again")
		return &Result{}, nil
	})
	if _, err := again.Run(ctx); reason(err) != "409 duplicate" {
		t.Errorf("same job again: %v, want 409 duplicate", err)
	}
}

// TestQueryPages would catch rows lost or doubled between pages.
func TestQueryPages(t *testing.T) {
	s := New(t)
	s.OnQuery(func(*Query) (*Result, error) {
		res := &Result{Schema: bq.Schema{{Name: "n", Type: bq.IntegerFieldType}}}
		for i := range 10 {
			res.Rows = append(res.Rows, []any{int64(i)})
		}
		return res, nil
	})
	for _, job := range []string{"", "mine"} {
		q := restClient(t, s).Query("SELECT n")
		q.JobID = job
		it, err := q.Read(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		it.PageInfo().MaxSize = 3
		rows, err := read(it)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 10 || rows[9][0] != int64(9) {
			t.Errorf("rows %v", rows)
		}
	}
}

// TestDryRun would catch a dry run that does not tell a read from a write.
func TestDryRun(t *testing.T) {
	s := New(t)
	ctx := deadline(t)
	s.OnQuery(func(q *Query) (*Result, error) {
		res := &Result{BytesProcessed: 42}
		if q.SQL == "SELECT 1; DROP TABLE x" {
			res.StatementType = "SCRIPT"
		}
		if !q.DryRun {
			t.Errorf("query %+v is no dry run", q)
		}
		return res, nil
	})
	for sql, want := range map[string]string{
		"SELECT 1": "SELECT", " (select 1)": "SELECT", "with x AS (SELECT 1) SELECT * FROM x": "SELECT",
		"DELETE FROM x WHERE true": "DELETE", "SELECT 1; DROP TABLE x": "SCRIPT",
	} {
		q := restClient(t, s).Query(sql)
		q.DryRun = true
		job, err := q.Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		stats := job.LastStatus().Statistics
		if got := stats.Details.(*bq.QueryStatistics).StatementType; got != want || stats.TotalBytesProcessed != 42 {
			t.Errorf("%s: %s, %d bytes, want %s, 42", sql, got, stats.TotalBytesProcessed, want)
		}
		if _, err := job.Status(ctx); reason(err) != "404 notFound" {
			t.Errorf("a dry run left a job: %v", err)
		}
	}
}

// TestQueryRefused would catch an error of the test's function, or a query in
// the wrong dialect, that does not reach the client.
func TestQueryRefused(t *testing.T) {
	s := New(t)
	c, ctx := restClient(t, s), deadline(t)
	s.OnQuery(func(q *Query) (*Result, error) {
		if q.SQL == "denied" {
			return nil, fail(403, "accessDenied", "no")
		}
		return nil, errors.New("unrecognized name")
	})
	if _, err := c.Query("x").Read(ctx); reason(err) != "400 invalidQuery" {
		t.Errorf("error %v, want 400 invalidQuery", err)
	}
	if _, err := c.Query("denied").Read(ctx); reason(err) != "403 accessDenied" {
		t.Errorf("error %v, want 403 accessDenied", err)
	}
	if _, err := c.Query(" ").Read(ctx); reason(err) != "400 invalidQuery" {
		t.Errorf("empty query: %v, want 400 invalidQuery", err)
	}
	q := c.Query("SELECT 1")
	q.UseLegacySQL = true
	if _, err := q.Read(ctx); reason(err) != "400 invalid" {
		t.Errorf("legacy query: %v, want 400 invalid", err)
	}
	if _, err := c.Dataset(ds).Table("t").LoaderFrom(bq.NewGCSReference("gs://bkt/y.csv")).Run(ctx); reason(err) != "501 notImplemented" {
		t.Errorf("load job of CSV: %v, want 501 notImplemented", err)
	}
	for _, row := range [][]any{{int64(1), "too many"}, {1}} {
		s.OnQuery(func(*Query) (*Result, error) {
			return &Result{Schema: bq.Schema{{Name: "n", Type: bq.IntegerFieldType}}, Rows: [][]any{row}}, nil
		})
		if _, err := c.Query("SELECT 1").Read(ctx); reason(err) != "400 invalid" {
			t.Errorf("result that does not fit its schema: %v, want 400 invalid", err)
		}
	}
}
