//go:build cgo && !noduckdb

package duckdb_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// Catches whatever breaks the contract of a sink: lost or altered values of
// any column, refused rows that take others with them, writes that hang.
func TestContract(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		path := filepath.Join(t.TempDir(), "w.duckdb")
		db := open(t, duckdb.Config{Path: path})
		return sinktest.Harness{
			Sink: db,
			Rows: func(t testing.TB, id transform.TableID) [][]any { return tableRows(t, db, id) },
			RowsClosed: func(t testing.TB, id transform.TableID) [][]any {
				db := open(t, duckdb.Config{Path: path, ReadOnly: true})
				defer db.Close()
				return tableRows(t, db, id)
			},
		}
	})
}

// open opens a database; who opens it closes it.
func open(t testing.TB, cfg duckdb.Config) *duckdb.DB {
	t.Helper()
	db, err := duckdb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// query returns the result of a query.
func query(t testing.TB, db *duckdb.DB, sql string) (names []string, rows [][]any) {
	t.Helper()
	err := db.Query(t.Context(), sql, func(columns []string) error {
		names = columns
		return nil
	}, func(row []any) error {
		rows = append(rows, append([]any(nil), row...))
		return nil
	})
	if err != nil {
		t.Fatalf("%v\nin: %s", err, sql)
	}
	return names, rows
}

// tableRows reads a table back in the form of [transform.Table.Values].
func tableRows(t testing.TB, db *duckdb.DB, id transform.TableID) [][]any {
	t.Helper()
	cols := id.Table().Columns
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	_, rows := query(t, db, fmt.Sprintf("SELECT %s FROM %v", strings.Join(names, ", "), id))
	for _, row := range rows {
		for i := range cols {
			row[i] = tableValue(&cols[i], row[i])
		}
	}
	return rows
}

func tableValue(c *transform.Column, value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC()
	case []any:
		if c.Type != transform.Record {
			list := make([]string, len(v))
			for i := range v {
				list[i] = v[i].(string)
			}
			return list
		}
		list := make([][]any, len(v))
		for i := range v {
			fields := v[i].(map[string]any)
			for _, nested := range c.Columns {
				list[i] = append(list[i], fields[nested.Name])
			}
		}
		return list
	}
	return value
}
