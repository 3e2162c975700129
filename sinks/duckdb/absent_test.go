//go:build !cgo || noduckdb

package duckdb_test

import (
	"strings"
	"testing"

	"leadsync/sinks/duckdb"
)

// Catches a build without DuckDB that does not say what to do instead.
func TestOpenAbsent(t *testing.T) {
	if db, err := duckdb.Open(t.Context(), duckdb.Config{Path: "w.duckdb"}); db != nil || err == nil || !strings.Contains(err.Error(), "SINK=bigquery") {
		t.Errorf("opened %v, error %v", db, err)
	}
}
