//go:build cgo && !noduckdb

package duckdb_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// writeEvents writes events with these ids.
func writeEvents(t testing.TB, db *duckdb.DB, ids ...string) {
	t.Helper()
	var rows transform.Rows
	for _, id := range ids {
		sinktest.Append(&rows, transform.EventsLog, eventRow(id, nil))
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
}

// eventIDs returns the ids of the events that are there, sorted.
func eventIDs(t testing.TB, db *duckdb.DB) (ids []string) {
	t.Helper()
	_, rows := query(t, db, "SELECT event_id FROM events_log ORDER BY 1")
	for _, row := range rows {
		ids = append(ids, row[0].(string))
	}
	return ids
}

// Catches counts that are wrong, statements out of order, and half of them
// left done when one fails.
func TestExecute(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	writeEvents(t, db, "a", "b", "c", "d")
	const (
		rename = "UPDATE events_log SET event_id = 'z' WHERE event_id = 'a'"
		remove = "DELETE FROM events_log WHERE event_id > 'b'"
		stone  = "INSERT INTO erasures (entity_digest, erased_at) VALUES ('x', now())"
	)
	for _, bad := range []string{"DELETE FROM nowhere", "nonsense", "INSERT INTO erasures (entity_digest) VALUES (NULL)"} {
		_, err := db.Execute(t.Context(), remove, stone, bad)
		if err == nil || !strings.Contains(err.Error(), "statement 3 of 3") {
			t.Errorf("%s: %v", bad, err)
		}
		if got := eventIDs(t, db); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Fatalf("%s failed, and the events left are %v", bad, got)
		}
	}
	counts, err := db.Execute(t.Context(), rename, remove, stone, remove)
	if err != nil || !slices.Equal(counts, []int64{1, 3, 1, 0}) {
		t.Errorf("changed %v, %v", counts, err)
	}
	if got := eventIDs(t, db); !slices.Equal(got, []string{"b"}) {
		t.Errorf("the events left are %v", got)
	}
	if counts, err := db.Execute(t.Context()); err != nil || len(counts) > 0 {
		t.Errorf("without a statement: %v, %v", counts, err)
	}
	writeEvents(t, db, "e")
}

// Catches changes where none are allowed, and a caller that cannot give up.
func TestExecuteRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	writeEvents(t, db, "a")
	const remove = "DELETE FROM events_log"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Execute(ctx, remove); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Execute(t.Context(), remove); err == nil {
		t.Error("a closed database was changed")
	}
	db = open(t, duckdb.Config{Path: path, ReadOnly: true})
	defer db.Close()
	if _, err := db.Execute(t.Context(), remove); err == nil || !strings.Contains(err.Error(), "reading only") {
		t.Errorf("open for reading: %v", err)
	}
	if err := db.Compact(t.Context()); err == nil || !strings.Contains(err.Error(), "reading only") {
		t.Errorf("open for reading: compact: %v", err)
	}
	if got := eventIDs(t, db); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the events left are %v", got)
	}
}

// Catches tombstones that are lost, and a table that cannot be read taken for
// an empty one.
func TestErased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	if list, err := db.Erased(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("without tombstones: %v, %v", list, err)
	}
	var rows transform.Rows
	const n = 5000
	for i := range n {
		sinktest.Append(&rows, transform.Erasures, []any{transform.DigestEntity(fmt.Sprint(i)).String(), start, "test"})
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	list, err := db.Erased(t.Context())
	var set transform.Erased
	set.Set(list)
	if err != nil || set.Len() != n || !set.Has([]byte("4999")) {
		t.Errorf("%d tombstones, %v", set.Len(), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	byHand(t, path, "DROP TABLE erasures")
	db = open(t, duckdb.Config{Path: path, ReadOnly: true})
	defer db.Close()
	if _, err := db.Erased(t.Context()); err == nil {
		t.Error("a table that is not there was read")
	}
}
