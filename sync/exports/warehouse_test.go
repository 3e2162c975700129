//go:build cgo && !noduckdb

package exports_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"leadsync/sinks/duckdb"
	"leadsync/sync/exports"
	"leadsync/transform"
)

// The embedded warehouse exports what it has by its own COPY, instants in the
// usual form and in another. Catches a form of its values that is not known
// here.
//
// Numbers of JSON columns may come out written otherwise, 1e2 as 100.0, so the
// events made of these alone are left out.
func TestUnwrapWarehouse(t *testing.T) {
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: duckdb.InMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, want := new(transform.Rows), make(map[string]*transform.Rows)
	for _, m := range corpus(t) {
		one, ok := made(t, exports.Event{Data: m.payload, MessageID: m.id, PublishedAt: m.publishedAt})
		if !ok || bytes.Contains(m.payload, []byte("1e2")) || bytes.Contains(m.payload, []byte("12.50")) {
			continue
		}
		want[m.id] = one
		for id := range transform.TableID(transform.NumTables) {
			for i := range one.Len(id) {
				rows.Append(id, one.Row(id, i))
			}
		}
	}
	if err := db.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rows.json")
	for _, copied := range []string{
		"COPY (SELECT * FROM events_log) TO '%s' (FORMAT json)",
		"COPY (SELECT * FROM events_log) TO '%s' (FORMAT json, ARRAY false, TIMESTAMPFORMAT '%%Y-%%m-%%dT%%H:%%M:%%S.%%f%%z')",
	} {
		if _, err := db.Execute(t.Context(), fmt.Sprintf(copied, file)); err != nil {
			t.Fatal(err)
		}
		src, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		lines := bufio.NewScanner(src)
		for lines.Buffer(nil, 1<<20); lines.Scan(); n++ {
			e := exports.Unwrap(lines.Bytes())
			got, ok := made(t, e)
			if !ok || e.EventID == [16]byte{} {
				t.Fatalf("not taken for a row:\n%s", lines.Bytes())
			}
			sameRows(t, want[e.MessageID], got, fmt.Sprintf("%s\n%s", lines.Bytes(), e.Data))
		}
		if lines.Err() != nil || n != len(want) {
			t.Errorf("%d rows, %v, want %d", n, lines.Err(), len(want))
		}
		src.Close()
	}
}
