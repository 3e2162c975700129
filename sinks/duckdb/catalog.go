//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"

	duck "github.com/duckdb/duckdb-go/v2"

	"leadsync/sinks"
	"leadsync/transform"
)

// A relation is a table or view as DuckDB's catalog has it.
type relation struct {
	view    bool
	sql     string // of a view, in DuckDB's layout
	stored  string // the same in the layout in which a file gives it back, where that was looked up
	comment string
	columns map[string]*column
}

type column struct {
	dataType string
	required bool
	comment  string
}

// describes tells whether the relation has the view's descriptions.
func (r *relation) describes(v sinks.View) bool {
	for _, c := range v.Columns {
		if have := r.columns[c.Name]; have == nil || have.comment != c.Description {
			return false
		}
	}
	return r.comment == v.Description
}

// differs tells whether a view that is there, if any, is another one than
// the wanted one.
func (r *relation) differs(want *relation) bool {
	return r != nil && r.view && r.sql != want.sql && r.sql != want.stored
}

// defined returns the catalog of a new database: what every one must be, in
// the very words that DuckDB finds for it. Descriptions are left out.
func defined(ctx context.Context, views []sinks.View) (map[string]*relation, error) {
	db, err := scratch(InMemory)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }() // it lives in memory
	if err := define(ctx, db, views); err != nil {
		return nil, err
	}
	return readCatalog(ctx, db)
}

// defineStored looks up the words in which a file gives the defined views
// back. They are others than those that DuckDB finds at first: a union of
// three comes back as one of two and one, a lambda as an arrow.
func defineStored(ctx context.Context, views []sinks.View, want map[string]*relation) error {
	dir, err := os.MkdirTemp("", "leadsync-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only definitions are in it
	path := filepath.Join(dir, "definitions.duckdb")
	db, err := scratch(path)
	if err != nil {
		return err
	}
	if err := errors.Join(define(ctx, db, views), db.Close()); err != nil {
		return err
	}
	if db, err = scratch(path); err != nil {
		return err
	}
	stored, err := readCatalog(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	for name, r := range stored {
		want[name].stored = r.sql
	}
	return nil
}

func scratch(path string) (*sql.DB, error) {
	connector, err := duck.NewConnector(path, nil)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector) // and closes the connector
	db.SetMaxOpenConns(1)
	return db, nil
}

// define creates all tables and views.
func define(ctx context.Context, db *sql.DB, views []sinks.View) error {
	tables := transform.Tables()
	for i := range tables {
		if _, err := db.ExecContext(ctx, createTable(&tables[i])); err != nil {
			return err
		}
	}
	for _, v := range views {
		if _, err := db.ExecContext(ctx, createView(v)); err != nil {
			return err
		}
	}
	return nil
}

// readCatalog returns the tables and views that are there, by name.
func readCatalog(ctx context.Context, db *sql.DB) (map[string]*relation, error) {
	all := make(map[string]*relation)
	err := each(ctx, db, `
		SELECT table_name, FALSE, '', COALESCE(comment, '') FROM duckdb_tables()
		WHERE NOT internal AND database_name = current_database() AND schema_name = 'main'
		UNION ALL
		SELECT view_name, TRUE, sql, COALESCE(comment, '') FROM duckdb_views()
		WHERE NOT internal AND database_name = current_database() AND schema_name = 'main'`,
		func(rows *sql.Rows) error {
			var name string
			r := &relation{columns: make(map[string]*column)}
			if err := rows.Scan(&name, &r.view, &r.sql, &r.comment); err != nil {
				return err
			}
			all[name] = r
			return nil
		})
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, `
		SELECT table_name, column_name, data_type, NOT is_nullable, COALESCE(comment, '') FROM duckdb_columns()
		WHERE NOT internal AND database_name = current_database() AND schema_name = 'main'`,
		func(rows *sql.Rows) error {
			var table, name string
			var c column
			if err := rows.Scan(&table, &name, &c.dataType, &c.required, &c.comment); err != nil {
				return err
			}
			if r := all[table]; r != nil {
				r.columns[name] = &c
			}
			return nil
		})
	return all, err
}

// each runs the query and hands over its rows.
func each(ctx context.Context, db *sql.DB, query string, row func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
