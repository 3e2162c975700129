package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// apart are the views that tell how and when rows came in rather than what
// happened.
var apart = []string{"freshness", "ledger_daily", "completeness", "completeness_daily", "backfill_files"}

// changing says whether a column tells how copies came in, all of them, or
// grows while one looks at it.
func changing(column string) bool {
	return slices.Contains([]string{
		"first_dead_at", "last_dead_at", "copies", "attempts", "last_ingested_at", "_fivetran_synced",
		"seconds_in_life_status", "median_open_seconds",
	}, column)
}

// perCopy says whether a column may differ between copies of an event that were
// published alike.
func perCopy(column string) bool {
	for _, table := range transform.Tables() {
		for _, c := range table.Columns {
			if c.Delivery && c.Name == column {
				return true
			}
		}
	}
	return changing(column)
}

// perPublication says so of copies one of which was never published: the time
// of publishing is a part of what orders events of the same second.
func perPublication(column string) bool {
	return strings.HasSuffix(column, "sequence") || perCopy(column)
}

// viewRows are what the views of an embedded warehouse show: of each view its rows,
// with how often each is there.
type viewRows map[string]map[string]int

// viewsOf reads all views but those apart, without some columns.
func viewsOf(t *testing.T, path string, without func(column string) bool) viewRows {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it was only read
	views := viewRows{}
	for _, v := range sinks.Views(sinks.DuckDB("")) {
		if !slices.Contains(apart, v.Name) {
			views[v.Name] = rowsOf(t, db, "SELECT * FROM "+v.Name, without)
		}
	}
	for _, name := range []string{"events", "transitions", "leads", "dead_letter_status"} {
		if len(views[name]) == 0 {
			t.Fatalf("%s shows nothing: there is nothing to compare", name)
		}
	}
	return views
}

// rowsOf returns the rows of a statement, with how often each is there.
func rowsOf(t *testing.T, db *duckdb.DB, sql string, without func(column string) bool) map[string]int {
	t.Helper()
	var names []string
	rows := map[string]int{}
	err := db.Query(context.WithoutCancel(t.Context()), sql,
		func(columns []string) error { names = slices.Clone(columns); return nil },
		func(values []any) error {
			var b strings.Builder
			for i, v := range values {
				if v != nil && !without(names[i]) {
					fmt.Fprintf(&b, "%s=%v ", names[i], v)
				}
			}
			rows[b.String()]++
			return nil
		})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// same fails where two warehouses show other things.
func (want viewRows) same(t *testing.T, got viewRows) {
	t.Helper()
	for view, rows := range want {
		sameRows(t, view, rows, got[view])
	}
}

func sameRows(t *testing.T, what string, want, got map[string]int) {
	t.Helper()
	lacks, extra := 0, 0
	for row, n := range want {
		if d := n - got[row]; d > 0 {
			if lacks += d; lacks <= 2 {
				t.Errorf("%s lacks %s", what, row)
			}
		}
	}
	for row, n := range got {
		if d := n - want[row]; d > 0 {
			if extra += d; extra <= 2 {
				t.Errorf("%s shows %s", what, row)
			}
		}
	}
	if lacks+extra > 0 {
		t.Errorf("%s: %d rows are lost, %d doubled or others", what, lacks, extra)
	}
}
