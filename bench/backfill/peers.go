package main

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the database that the SQL is for
)

//go:embed rows.sql
var rowsSQL string

//go:embed rows.jq
var rowsJQ string

// byDuckDB makes the rows of a file by DuckDB's own SQL, in a warehouse that
// has the tables, and writes what came of it as JSON.
func byDuckDB(ctx context.Context, warehouse, file string, out io.Writer) (err error) {
	db, err := sql.Open("duckdb", warehouse)
	if err != nil {
		return fmt.Errorf("open %s: %w", warehouse, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", warehouse, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	statements := strings.ReplaceAll(rowsSQL, "{{file}}", strings.ReplaceAll(file, "'", "''"))
	if _, err := conn.ExecContext(ctx, statements); err != nil {
		return fmt.Errorf("make rows: %w", err)
	}
	var c count
	const counts = "SELECT (SELECT COUNT(*) FROM events_log), (SELECT COUNT(*) FROM events_log) + (SELECT COUNT(*) FROM transitions_log)"
	if err := conn.QueryRowContext(ctx, counts).Scan(&c.Written, &c.Rows); err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	c.Records = c.Written
	return json.NewEncoder(out).Encode(c) //nolint:wrapcheck // it says all
}

// hasJQ tells whether jq is installed.
func hasJQ() bool {
	_, err := exec.LookPath("jq")
	return err == nil
}
