package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// embedded tells the rows of a DuckDB database.
type embedded struct {
	t  *testing.T
	db *duckdb.DB
}

// wanted are the columns that are looked at; reading all would take most of
// the test's time.
var wanted = map[string]string{"events_log": "event_id, message_id, ingested_at", "dead_letters": "dead_letter_id, message_id, dead_at", "sync_batches": "*"}

// Rows returns the rows of a table, with the columns that are wanted; none if
// it has not been created yet.
func (e embedded) Rows(table string) []map[string]any {
	e.t.Helper()
	exists := false
	e.query("SELECT table_name FROM duckdb_tables() WHERE table_name = '"+table+"'", func([]string, []any) { exists = true })
	var rows []map[string]any
	if !exists {
		return nil
	}
	e.query("SELECT "+wanted[table]+" FROM "+table, func(names []string, values []any) {
		row := make(map[string]any, len(names))
		for i, v := range values {
			row[names[i]] = v
		}
		rows = append(rows, row)
	})
	return rows
}

func (e embedded) query(sql string, row func(names []string, values []any)) {
	e.t.Helper()
	var names []string
	err := e.db.Query(context.WithoutCancel(e.t.Context()), sql,
		func(columns []string) error { names = columns; return nil },
		func(values []any) error { row(names, values); return nil })
	if err != nil {
		e.t.Fatal(err)
	}
}

// agree fails unless the views of a database show what they would show had
// every event been written exactly once.
func (k *killed) agree(path string) {
	k.t.Helper()
	wantPath := filepath.Join(k.t.TempDir(), "once.duckdb")
	k.write(wantPath, &k.once)
	for _, view := range []string{"events", "transitions", "field_changes"} {
		want, got := k.view(wantPath, view), k.view(path, view)
		missing, extra := 0, 0
		for row, n := range want {
			if d := n - got[row]; d > 0 {
				if missing += d; missing <= 2 {
					k.t.Errorf("%s lacks %s", view, row)
				}
			}
		}
		for row, n := range got {
			if d := n - want[row]; d > 0 {
				if extra += d; extra <= 2 {
					k.t.Errorf("%s shows %s", view, row)
				}
			}
		}
		if missing+extra > 0 {
			k.t.Errorf("%s: %d rows lost, %d doubled or wrong", view, missing, extra)
		}
		if len(want) == 0 {
			k.t.Errorf("%s: nothing to compare", view)
		}
		k.t.Logf("%s: %d different rows", view, len(want))
	}
	letters := map[any]bool{}
	k.stored(func(w stored) {
		for _, row := range w.Rows("dead_letters") {
			letters[row["dead_letter_id"]] = true
		}
	})
	if len(letters) != len(k.letters) {
		k.t.Errorf("%d dead letters, want %d", len(letters), len(k.letters))
	}
}

// balanced fails unless every line of the ledger adds up, and all lines
// together tell of every acknowledged message and of no row that is not there.
// (A kill between a batch and its line leaves rows of which none tells, yet;
// their messages come again.)
func (k *killed) balanced() {
	k.t.Helper()
	k.stored(func(w stored) {
		told := map[string]int64{}
		seen := map[any]bool{}
		for _, line := range w.Rows("sync_batches") {
			n := func(column string) int64 { return line[column].(int64) }
			if n("received") != n("written")+n("duplicates")+n("dead")+n("filtered") {
				k.t.Errorf("a line of the ledger does not add up: %v", line)
			}
			if seen[line["batch_id"]] {
				continue // appended again after an answer that was lost
			}
			seen[line["batch_id"]] = true
			for _, column := range []string{"received", "written", "dead"} {
				told[column] += n(column)
			}
		}
		if acked := int64(len(k.acknowledged())); told["received"] < acked {
			k.t.Errorf("the ledger tells of %d messages, %d are acknowledged", told["received"], acked)
		}
		for table, column := range map[string]string{"events_log": "written", "dead_letters": "dead"} {
			if there := int64(len(w.Rows(table))); told[column] > there {
				k.t.Errorf("the ledger tells of %d messages %s, %s has %d rows", told[column], column, table, there)
			}
		}
	})
}

func (k *killed) open(path string) *duckdb.DB {
	k.t.Helper()
	db, err := duckdb.Open(k.t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		k.t.Fatal(err)
	}
	return db
}

// view returns the rows of a view, with how often each is there. What tells
// how a copy came is left out.
func (k *killed) view(path, view string) map[string]int {
	k.t.Helper()
	delivery := map[string]bool{}
	for _, table := range transform.Tables() {
		for _, c := range table.Columns {
			delivery[c.Name] = delivery[c.Name] || c.Delivery
		}
	}
	db := k.open(path)
	defer func() { _ = db.Close() }() // it was only read
	rows := map[string]int{}
	embedded{k.t, db}.query("SELECT * FROM "+view, func(names []string, values []any) {
		var b strings.Builder
		for i, v := range values {
			if !delivery[names[i]] && v != nil {
				fmt.Fprintf(&b, "%s=%v ", names[i], v)
			}
		}
		rows[b.String()]++
	})
	return rows
}

// write writes rows into a new database.
func (k *killed) write(path string, rows *transform.Rows) {
	k.t.Helper()
	db, err := duckdb.Open(k.t.Context(), duckdb.Config{Path: path})
	if err != nil {
		k.t.Fatal(err)
	}
	if err := errors.Join(db.Write(k.t.Context(), rows), db.Close()); err != nil {
		k.t.Fatal(err)
	}
}

// load copies the tables of a BigQuery into an embedded database, whose views
// are the same, and returns its path.
func (k *killed) load(server *bqtest.Server) string {
	k.t.Helper()
	path := filepath.Join(k.t.TempDir(), "loaded.duckdb")
	var rows transform.Rows
	for _, id := range []transform.TableID{transform.EventsLog, transform.TransitionsLog, transform.DeadLetters} {
		for _, row := range server.Rows(id.String()) {
			sinktest.Append(&rows, id, inColumns(id.Table().Columns, row))
		}
	}
	k.write(path, &rows)
	return path
}

// inColumns returns a row of BigQuery as its columns' values.
func inColumns(columns []transform.Column, row map[string]any) []any {
	values := make([]any, len(columns))
	for i := range columns {
		c := &columns[i]
		switch v := row[c.Name].(type) {
		case []any:
			if c.Type == transform.Record {
				list := make([][]any, len(v))
				for j := range v {
					list[j] = inColumns(c.Columns, v[j].(map[string]any))
				}
				values[i] = list
				continue
			}
			list := make([]string, len(v))
			for j := range v {
				list[j] = v[j].(string)
			}
			values[i] = list
		default:
			values[i] = v
		}
	}
	return values
}
