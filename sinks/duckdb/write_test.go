//go:build cgo && !noduckdb

package duckdb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// eventRow returns a row of events_log.
func eventRow(id string, more map[string]any) []any {
	columns := map[string]any{
		"event_id": id, "sequence": id, "occurred_at": start, "tenant_id": "941", "event_type": "object_update",
		"ingested_at": start, "ingest_source": "pubsub",
	}
	for name, v := range more {
		columns[name] = v
	}
	return tableRow(transform.EventsLog, columns)
}

// Catches rows that only DuckDB can find bad taking good ones with them, or
// being held for ever, and their values leaking into the error.
func TestRowsThatDuckDBRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	if err := open(t, duckdb.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	byHand(t, path, "CREATE UNIQUE INDEX one_a_batch ON sync_batches (batch_id)")
	seen := &observed{}
	db := open(t, duckdb.Config{Path: path, Observer: seen})
	defer db.Close()
	var rows transform.Rows
	for i := range 40 {
		more := map[string]any{"mapping_data": `{"a":1}`, "notes": "13800138000"}
		switch i {
		case 7, 8, 31:
			more["mapping_data"] = `{"mobile":"13800138000"`
		case 20:
			more["members"] = []string{"ok", "13800138000\xff"}
		case 21:
			more["changes"] = [][]any{{nil, "13800138000", nil, nil, nil}}
		}
		sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprint(i), more))
	}
	for _, id := range []string{"b1", "b2", "b1", "b3"} {
		sinktest.Append(&rows, transform.SyncBatches, tableRow(transform.SyncBatches, map[string]any{
			"batch_id": id, "worker_id": "w", "ingest_source": "pubsub", "received": int64(1), "written": int64(1),
			"duplicates": int64(0), "dead": int64(0), "filtered": int64(0), "started_at": start, "committed_at": start,
		}))
	}
	err := db.Write(t.Context(), &rows)
	var got sinks.RowErrors
	if !errors.As(err, &got) {
		t.Fatalf("error %v, want row errors", err)
	}
	want := sinks.RowErrors{
		{Table: transform.EventsLog, Row: 20, Code: "INVALID_UTF8"}, {Table: transform.EventsLog, Row: 21, Code: "REQUIRED"},
		{Table: transform.EventsLog, Row: 7, Code: "CONVERSION"}, {Table: transform.EventsLog, Row: 8, Code: "CONVERSION"},
		{Table: transform.EventsLog, Row: 31, Code: "CONVERSION"}, {Table: transform.SyncBatches, Row: 2, Code: "CONSTRAINT"},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("row errors (-want +got):\n%s", diff)
	}
	if strings.Contains(fmt.Sprint(err, db.Ready()), "138") {
		t.Errorf("error %v holds a value", err)
	}
	if n, m := len(tableRows(t, db, transform.EventsLog)), len(tableRows(t, db, transform.SyncBatches)); n != 35 || m != 3 {
		t.Errorf("%d events and %d batches are there, want 35 and 3", n, m)
	}
	if err := db.Ready(); err != nil {
		t.Errorf("not ready after rows were refused: %v", err)
	}
	if seen.rows[transform.EventsLog] != 35 || seen.rows[transform.SyncBatches] != 3 || seen.retried[sinks.Data] == 0 {
		t.Errorf("observed %+v", seen)
	}
}

// One bad row of 500, in many places. Finding one of n takes log2 n questions
// and those that waited one more: catches a search that takes more, and rows
// that are lost on the way.
func TestOneBadRowCosts(t *testing.T) {
	seen := &observed{}
	db := open(t, duckdb.Config{Path: filepath.Join(t.TempDir(), "w.duckdb"), Observer: seen})
	defer db.Close()
	const n = 500
	for round, bad := range []int{0, 1, 249, 250, 311, 374, 498, 499} {
		var rows transform.Rows
		for i := range n {
			data := `{"a":1}`
			if i == bad {
				data = `{"a"`
			}
			sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprint(round, i), map[string]any{"mapping_data": data}))
		}
		before := seen.retried[sinks.Data]
		err := db.Write(t.Context(), &rows)
		want := sinks.RowErrors{{Table: transform.EventsLog, Row: bad, Code: "CONVERSION"}}
		if diff := gocmp.Diff(error(want), err); diff != "" {
			t.Errorf("row %d is bad (-want +got):\n%s", bad, diff)
		}
		if more, most := seen.retried[sinks.Data]-before, 9+1; more > most {
			t.Errorf("row %d is bad: %d transactions more, want at most %d", bad, more, most)
		}
		if got, want := seen.rows[transform.EventsLog], (round+1)*(n-1); got != want {
			t.Errorf("%d rows written, want %d", got, want)
		}
	}
}

// observed counts what an observer is told.
type observed struct {
	mu          sync.Mutex
	rows, bytes [transform.NumTables]int
	retried     map[sinks.Class]int
}

func (o *observed) Appended(table transform.TableID, rows, bytes int, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rows[table] += rows
	o.bytes[table] += bytes
}

func (o *observed) Retried(_ transform.TableID, class sinks.Class) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.retried == nil {
		o.retried = make(map[sinks.Class]int)
	}
	o.retried[class]++
}

// Catches a reader that sees an event without its transition: the rows of one
// Write appear together.
func TestWriteIsAtomic(t *testing.T) {
	db := open(t, duckdb.Config{Path: filepath.Join(t.TempDir(), "w.duckdb")})
	defer db.Close()
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer close(done)
		for i := range 30 {
			var rows transform.Rows
			for j := range 5 {
				sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprint(i, j), nil))
				sinktest.Append(&rows, transform.TransitionsLog, step{i, j, "a", "b", ""}.row("x"))
			}
			if err := db.Write(t.Context(), &rows); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writer.Wait()
	for seen := int64(0); ; {
		_, rows := query(t, db, "SELECT (SELECT count(*) FROM events_log), (SELECT count(*) FROM transitions_log)")
		events, transitions := rows[0][0].(int64), rows[0][1].(int64)
		if events != transitions || events%5 != 0 || events < seen {
			t.Fatalf("%d events and %d transitions after %d", events, transitions, seen)
		}
		seen = events
		select {
		case <-done:
			return
		default:
		}
	}
}

// Catches a write to a database that is open for reading, which could be held
// for ever.
func TestWriteReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	if err := open(t, duckdb.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, duckdb.Config{Path: path, ReadOnly: true})
	defer db.Close()
	var rows transform.Rows
	sinktest.Append(&rows, transform.EventsLog, eventRow("1", nil))
	if err := db.Write(t.Context(), &rows); err == nil || !strings.Contains(err.Error(), "reading") {
		t.Errorf("error %v", err)
	}
}
