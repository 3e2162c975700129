//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	duck "github.com/duckdb/duckdb-go/v2"
)

// Query runs one statement that reads. It runs in a transaction that may not
// write, beside Write and not waiting for it, and is interrupted when ctx
// ends. Values of a JSON column come as their text, dates and times of day as
// text. The whole result is held by DuckDB until it has been handed over.
//
// DuckDB's SQL can read files, with the rights of this process: run only what
// comes from somebody who has those rights. See [sinks.Warehouse].
func (d *DB) Query(ctx context.Context, query string, columns func([]string) error, row func([]any) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.pool == nil {
		return fmt.Errorf("query warehouse %s: %w", d.cfg.Path, errNotOpen)
	}
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("query warehouse %s: %w", d.cfg.Path, err)
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		conn := c.(*duck.Conn)
		if err := exec(conn, "BEGIN TRANSACTION READ ONLY"); err != nil {
			return fmt.Errorf("query warehouse %s: begin: %w", d.cfg.Path, err)
		}
		err := runQuery(ctx, conn, query, columns, row)
		if exec(conn, "ROLLBACK") != nil {
			return errors.Join(err, driver.ErrBadConn) // not to be used again
		}
		return err
	})
}

// reads matches the beginning of statements that read. Some of the others do
// things while they are being prepared: EXPORT makes a directory.
var reads = regexp.MustCompile(`(?is)^(\s|--[^\n]*\n|/\*.*?\*/)*(\(|(select|with|from|values|describe|desc|show|summarize|table|pivot|unpivot)\b)`)

var errNotReading = errors.New("query: only one statement that reads is allowed: SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE")

func runQuery(ctx context.Context, conn *duck.Conn, query string, columns func([]string) error, row func([]any) error) error {
	if !reads.MatchString(query) {
		return errNotReading
	}
	stmt, err := prepare(conn, query)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer drop(stmt)
	if kind, err := stmt.StatementType(); err != nil {
		return fmt.Errorf("query: %w", err)
	} else if kind != duck.STATEMENT_TYPE_SELECT {
		return errNotReading // nor EXPLAIN: EXPLAIN ANALYZE carries out what it explains
	}
	if text := jsonAsText(ctx, conn, query); text != "" {
		if wrapped, err := prepare(conn, text); err == nil {
			defer drop(wrapped)
			stmt = wrapped
		}
	}
	rows, err := stmt.QueryContext(ctx, nil)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	return hand(ctx, rows, columns, row)
}

// drop closes a statement, of which nothing is wanted any more.
func drop(stmt *duck.Stmt) { _ = stmt.Close() }

// prepare prepares the one statement that the text holds. (The connection's
// own way with several is to run all but the last.)
func prepare(conn *duck.Conn, query string) (*duck.Stmt, error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		if strings.Contains(err.Error(), "multi-statement") {
			return nil, errors.New("it holds more than one statement")
		}
		return nil, err
	}
	return stmt.(*duck.Stmt), nil
}

// jsonAsText returns the query with its JSON columns cast to text, "" if it
// has none. Otherwise the library decodes them, and integers above 2^53 lose
// their last digits.
func jsonAsText(ctx context.Context, conn *duck.Conn, query string) string {
	inner := strings.TrimRight(query, "; \t\r\n")
	stmt, err := prepare(conn, "DESCRIBE "+inner)
	if err != nil {
		return "" // DESCRIBE and SHOW themselves
	}
	defer drop(stmt)
	rows, err := stmt.QueryContext(ctx, nil)
	if err != nil {
		return ""
	}
	defer rows.Close()
	var aliases, list []string
	found := false
	described := make([]driver.Value, len(rows.Columns())) // column_name, column_type, …
	for rows.Next(described) == nil {
		name, _ := described[0].(string)
		alias := fmt.Sprintf("c%d", len(list))
		value := alias
		if described[1] == "JSON" {
			value, found = "CAST("+alias+" AS VARCHAR)", true
		}
		aliases = append(aliases, alias)
		list = append(list, fmt.Sprintf(`%s AS "%s"`, value, strings.ReplaceAll(name, `"`, `""`)))
	}
	if !found {
		return ""
	}
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS q(%s)", strings.Join(list, ", "), inner, strings.Join(aliases, ", "))
}

// hand hands the result over.
func hand(ctx context.Context, rows driver.Rows, columns func([]string) error, row func([]any) error) error {
	names := rows.Columns()
	if err := columns(names); err != nil {
		return err
	}
	types := make([]string, len(names))
	if typed, ok := rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		for i := range types {
			types[i] = typed.ColumnTypeDatabaseTypeName(i)
		}
	}
	values := make([]driver.Value, len(names))
	out := make([]any, len(names))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		for i, v := range values {
			out[i] = plain(v, types[i])
		}
		if err := row(out); err != nil {
			return err
		}
	}
}
