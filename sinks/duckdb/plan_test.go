//go:build cgo && !noduckdb

package duckdb_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// byHand runs statements on a database that is not open, as a person would.
func byHand(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// actions returns the plan without its SQL.
func actions(plan sinks.Plan) (list []string) {
	for _, c := range plan {
		line := c.Object + ": " + c.Action
		if c.Refused != "" {
			line += ": refused"
		}
		list = append(list, line)
	}
	return list
}

func plan(t *testing.T, db *duckdb.DB) sinks.Plan {
	t.Helper()
	p, err := db.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Catches a plan that never comes to rest, and tables or views that Open
// leaves out or leaves as an older version made them. What is there already
// must stay.
func TestOpenMends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.duckdb")
	db := open(t, duckdb.Config{Path: path})
	if diff := gocmp.Diff([]string(nil), actions(plan(t, db))); diff != "" {
		t.Errorf("plan after Open (-want +got):\n%s", diff)
	}
	var rows transform.Rows
	sinktest.Append(&rows, transform.TransitionsLog, step{0, 1, "", "a", "creation"}.row("kept"))
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	byHand(t, path,
		"ALTER TABLE events_log DROP COLUMN notes", "ALTER TABLE events_log DROP COLUMN changes",
		"ALTER TABLE events_log ADD COLUMN newer VARCHAR", "DROP TABLE sync_batches",
		"COMMENT ON TABLE transitions_log IS 'other'", "COMMENT ON COLUMN transitions_log.origin IS NULL",
		"ALTER TABLE transitions_log ALTER COLUMN to_value SET NOT NULL",
		"DROP VIEW leads", "CREATE OR REPLACE VIEW events AS SELECT event_id FROM events_log", "COMMENT ON VIEW transitions IS ''",
	)
	want := []string{
		"table events_log: add column notes", "table events_log: add column changes",
		"table transitions_log: describe", "table transitions_log: relax column to_value", "table transitions_log: describe column origin",
		"table sync_batches: create", "view events: replace", "view leads: create", "view transitions: describe",
	}
	old := open(t, duckdb.Config{Path: path, ReadOnly: true})
	if diff := gocmp.Diff(want, actions(plan(t, old)), inAnyOrder); diff != "" {
		t.Errorf("plan for the old database (-want +got):\n%s", diff)
	}
	if err := old.Apply(t.Context(), plan(t, old)); err == nil {
		t.Error("applied a plan to a database that is open for reading")
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, duckdb.Config{Path: path})
	defer db.Close()
	if diff := gocmp.Diff([]string(nil), actions(plan(t, db))); diff != "" {
		t.Errorf("plan after Open mended it (-want +got):\n%s", diff)
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Errorf("write beside a column that is not known here: %v", err)
	}
	if n := len(tableRows(t, db, transform.TransitionsLog)); n != 2 {
		t.Errorf("%d rows, want the one that was there and a new one", n)
	}
}

var inAnyOrder = gocmp.Transformer("set", func(list []string) map[string]int {
	set := make(map[string]int)
	for _, s := range list {
		set[s]++
	}
	return set
})

// Catches a difference that cannot be mended being mended all the same, or
// other changes made beside it.
func TestPlanRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.duckdb")
	if err := open(t, duckdb.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	byHand(t, path,
		"ALTER TABLE events_log ALTER COLUMN scene_type TYPE VARCHAR", "ALTER TABLE events_log DROP COLUMN sequence",
		"ALTER TABLE sync_batches ADD COLUMN theirs VARCHAR", "ALTER TABLE sync_batches ALTER COLUMN theirs SET NOT NULL",
		"DROP TABLE dead_letters", "CREATE VIEW dead_letters AS SELECT 1 AS x",
		"DROP VIEW leads", "CREATE TABLE leads (x INTEGER)", "DROP VIEW accounts",
	)
	_, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
	if err == nil {
		t.Fatal("opened a database with other columns")
	}
	for _, want := range []string{path, "events_log", "change column scene_type", "VARCHAR", "BIGINT", "add column sequence", "theirs", "dead_letters", "leads"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	db := open(t, duckdb.Config{Path: path, ReadOnly: true})
	defer db.Close()
	want := []string{
		"table events_log: add column sequence: refused", "table events_log: change column scene_type: refused",
		"table sync_batches: leave column theirs: refused", "table dead_letters: create: refused",
		"view leads: create: refused", "view accounts: create",
	}
	if diff := gocmp.Diff(want, actions(plan(t, db)), inAnyOrder); diff != "" {
		t.Errorf("plan after Open was refused (-want +got):\n%s", diff)
	}
}

// Catches SQL in a plan that a person cannot run by hand.
func TestPlanByHand(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory, ReadOnly: true}) // and so without tables
	defer db.Close()
	path := filepath.Join(t.TempDir(), "hand.duckdb")
	for _, c := range plan(t, db) {
		byHand(t, path, c.SQL)
	}
	db = open(t, duckdb.Config{Path: path, ReadOnly: true})
	defer db.Close()
	if diff := gocmp.Diff([]string(nil), actions(plan(t, db))); diff != "" {
		t.Errorf("plan after it was run by hand (-want +got):\n%s", diff)
	}
}
