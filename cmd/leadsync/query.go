package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"leadsync/config"
)

type queryCommand struct {
	SQL     string `arg:"" name:"sql" help:"The statement; - reads it from standard input."`
	Format  string `short:"f" help:"table, json (an object a line) or csv." enum:"table,json,csv" default:"table"`
	MaxRows *int   `help:"Stop after so many rows, 0 for never. A table on a terminal stops after 1000 unless told otherwise." placeholder:"N"`
}

// Help describes the command.
func (*queryCommand) Help() string {
	return `Runs one read-only statement on the warehouse in force, in its own SQL. Tables end in _log; the views
(events, transitions, leads, ...) show each fact once and are what to read.

Settings: SINK and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Example:

    leadsync query --format csv "SELECT to_value, COUNT(*) AS n FROM transitions WHERE dimension = 'life_status' GROUP BY 1"`
}

// terminalRows is how many rows of a table a terminal gets.
const terminalRows = 1000

// maxStatement bounds a statement read from standard input, in bytes; it is
// BigQuery's limit.
const maxStatement = 1 << 20

// errEnough ends a query that has given as many rows as were wanted.
var errEnough = errors.New("enough rows")

// A rowPrinter prints a query's result.
type rowPrinter interface {
	columns(names []string) error
	row(values []any) error
	end() error
}

// Run runs the statement and prints its result.
func (c *queryCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	sql, err := c.statement(p.stdin)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	limit := 0
	switch {
	case c.MaxRows != nil:
		limit = *c.MaxRows
	case c.Format == "table" && isTerminal(p.stdout):
		limit = terminalRows
	}
	out := bufio.NewWriter(p.stdout)
	count, err := runQuery(ctx, cfg, sql, newRowPrinter(c.Format, out), limit)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	switch {
	case errors.Is(err, errEnough):
		fmt.Fprintf(p.stderr, "the first %s rows; --max-rows=0 prints all\n", grouped(int64(limit)))
	case err != nil:
		return fmt.Errorf("query: %w", err)
	case count == 1:
		fmt.Fprintln(p.stderr, "1 row")
	default:
		fmt.Fprintf(p.stderr, "%s rows\n", grouped(int64(count)))
	}
	return nil
}

// Validate is called once the flags are parsed.
func (c *queryCommand) Validate() error {
	if c.MaxRows != nil && *c.MaxRows < 0 {
		return fmt.Errorf("--max-rows=%d: want 0 or more", *c.MaxRows)
	}
	return nil
}

// statement returns the statement to run.
func (c *queryCommand) statement(stdin io.Reader) (string, error) {
	if c.SQL != "-" {
		return c.SQL, nil
	}
	text, err := io.ReadAll(io.LimitReader(stdin, maxStatement+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read standard input: %w", err)
	case len(text) > maxStatement:
		return "", fmt.Errorf("the statement on standard input is above %d bytes", maxStatement)
	case strings.TrimSpace(string(text)) == "":
		return "", errors.New("no statement on standard input")
	}
	return string(text), nil
}

// runQuery runs the statement and prints at most limit rows, all for 0. It
// returns how many were printed, and errEnough if there were more.
func runQuery(ctx context.Context, cfg *config.Config, sql string, printer rowPrinter, limit int) (count int, err error) {
	w, err := openWarehouse(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	err = w.Query(ctx, sql, printer.columns, func(values []any) error {
		if limit > 0 && count == limit {
			return errEnough
		}
		count++
		return printer.row(values)
	})
	if err == nil || errors.Is(err, errEnough) {
		err = errors.Join(err, printer.end())
	}
	return count, err
}

func newRowPrinter(format string, w io.Writer) rowPrinter {
	switch format {
	case "json":
		return &jsonPrinter{w: w}
	case "csv":
		return newCSVPrinter(w)
	default:
		return &tablePrinter{w: w}
	}
}
