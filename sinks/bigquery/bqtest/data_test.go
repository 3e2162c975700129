package bqtest

import (
	"slices"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestListRows would catch a value of any type that is lost when rows are
// listed without a query, rows lost or doubled between pages, and a view that
// is listed.
func TestListRows(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	at := time.Now().UTC().Truncate(time.Microsecond)
	full := w.row("a", func(m *dynamicpb.Message) {
		set(m, "at", at.UnixMicro())
		set(m, "n", int64(1)<<60)
		set(m, "ok", true)
		set(m, "f", 0.1)
		set(m, "raw", []byte{0, 255})
		set(m, "doc", `{"a": 1}`)
		f := m.Descriptor().Fields()
		m.Mutable(f.ByName("tags")).List().Append(protoreflect.ValueOf("x"))
		changes := m.Mutable(f.ByName("changes")).List()
		c := changes.NewElement().Message().Interface().(*dynamicpb.Message)
		set(c, "field", "owner")
		changes.Append(protoreflect.ValueOf(c.ProtoReflect()))
	})
	if _, err := w.append(full); err != nil {
		t.Fatal(err)
	}
	table := restClient(t, s).Dataset(ds).Table("t")
	rows, err := read(table.Read(deadline(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]bq.Value{{"a", at, int64(1) << 60, true, 0.1, []byte{0, 255}, `{"a": 1}`, []bq.Value{"x"}, []bq.Value{[]bq.Value{"owner", nil}}, nil}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}

	for range 7 {
		if _, err := w.append(w.row("b")); err != nil {
			t.Fatal(err)
		}
	}
	it := table.Read(deadline(t))
	it.PageInfo().MaxSize = 3
	if rows, err = read(it); err != nil || len(rows) != 8 || rows[0][0] != "a" || rows[7][0] != "b" {
		t.Errorf("in pages of 3: %d rows, %v", len(rows), err)
	}
	if err := s.CreateTable(project, ds, "v", &bq.TableMetadata{ViewQuery: "SELECT 1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := read(restClient(t, s).Dataset(ds).Table("v").Read(deadline(t))); reason(err) != "400 invalid" {
		t.Errorf("a view: %v, want 400 invalid", err)
	}
}

// TestChange would catch rows that a test takes away and that are there still,
// and the number of changed rows that the client is not told.
func TestChange(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	if _, err := w.append(w.row("a"), w.row("b"), w.row("c")); err != nil {
		t.Fatal(err)
	}
	s.OnQuery(func(q *Query) (*Result, error) {
		res := &Result{}
		return res, s.Change("t", func(rows []map[string]any) []map[string]any {
			left := slices.DeleteFunc(rows, func(row map[string]any) bool { return row["id"] == "b" })
			res.AffectedRows = int64(3 - len(left))
			return left
		})
	})
	job, err := restClient(t, s).Query("DELETE FROM t WHERE id = 'b'").Run(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	status, err := job.Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if d := status.Statistics.Details.(*bq.QueryStatistics); d.NumDMLAffectedRows != 1 || d.StatementType != "DELETE" {
		t.Errorf("%s changed %d rows", d.StatementType, d.NumDMLAffectedRows)
	}
	if rows := s.Rows("t"); len(rows) != 2 || rows[1]["id"] != "c" {
		t.Errorf("rows %v", rows)
	}
	if s.Change("u", nil) == nil {
		t.Error("a table that is not there was changed")
	}
}
