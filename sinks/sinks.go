// Package sinks is the contract between the pipeline and the warehouses:
// what a [Sink] promises, how it names rows that can never be written, and
// what it can say about its tables.
package sinks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"leadsync/transform"
)

// A Sink makes rows durable. Its methods may be called concurrently.
type Sink interface {
	// Write makes every row durable, or says which never can be.
	//
	// It retries what may pass by itself until ctx ends: the caller neither
	// retries nor waits. nil means that every row is durable. An error that
	// [errors.As] finds to be [RowErrors] names the rows that can never be
	// written; all others are durable. After any other error nothing is
	// known: some rows may be durable, and the same rows may be written
	// again, since rows are identified by their content.
	//
	// The rows must not change until Write returns, and may change after it.
	Write(ctx context.Context, rows *transform.Rows) error

	// Ready returns nil while writes go through, and the cause while they
	// are being held back and retried. It returns at once.
	Ready() error

	// Close releases what the sink holds. Call it once, after the last Write
	// has returned.
	Close() error
}

// A RowError says that the warehouse refused one row for good.
type RowError struct {
	Table transform.TableID
	Row   int    // place in the Rows that were written
	Code  string // the warehouse's code for the cause, for example FIELDS_ERROR
}

// RowErrors names the rows of one Write that can never be written, at least
// one, each once. It never holds a value of a row.
type RowErrors []RowError

func (e RowErrors) Error() string {
	var b strings.Builder
	for i, r := range e {
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(e)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "row %d of %s refused: %s", r.Row, r.Table, r.Code)
	}
	return b.String()
}

// Class says what a failed append calls for.
type Class string

// The classes of failure.
const (
	Transient Class = "transient" // passes by itself: retry soon
	Throttled Class = "throttled" // quota: retry with patience
	Setup     Class = "setup"     // a person must act: table, permission, schema; retry slowly and say so
	Data      Class = "data"      // these rows can never be written
)

// An Observer is told what a sink does, for metrics. Its methods may be
// called concurrently and must return at once.
type Observer interface {
	// Appended is called for every append that was made durable.
	Appended(table transform.TableID, rows, bytes int, took time.Duration)
	// Retried is called before a failed append is tried again.
	Retried(table transform.TableID, class Class)
}

// A Warehouse is what the commands for people ask of a sink's database.
type Warehouse interface {
	// Query runs one read-only statement and hands its result over: columns
	// once, with the columns' names, then row for each row. Values are nil,
	// string, int64, float64, bool, time.Time, []byte, or []any and
	// map[string]any of these; what is none of them comes as its text. The
	// slice may be reused after row returns. An error of either function
	// ends the query and is returned. A statement that would write is refused.
	Query(ctx context.Context, sql string, columns func([]string) error, row func([]any) error) error

	// Execute runs statements that change rows of the tables, in order, and
	// returns how many rows each changed. Each is all or nothing; when one
	// fails, those before it may stay done, and their counts are returned.
	// Order them so that running all of them again finishes the work.
	Execute(ctx context.Context, statements ...string) ([]int64, error)

	// Plan compares the tables and views with their definitions. It changes
	// nothing. An empty plan means they agree.
	Plan(ctx context.Context) (Plan, error)

	// Apply carries out a plan's changes in order. A plan with a refusal is
	// not begun.
	Apply(ctx context.Context, plan Plan) error

	// Close releases the connection.
	Close() error
}

// A Plan is what must change for tables and views to be as defined, in order.
type Plan []Change

// A Change is one step of a [Plan].
type Change struct {
	Object string // "dataset jing_leads", "table events_log", "view leads"
	Action string // "create", "add column notes", "replace", "describe"
	SQL    string // the statement that does it; for people, and to run by hand
	// Refused says why the step is not taken: the difference cannot be
	// mended without losing data. Empty for a step that Apply takes.
	Refused string
}

// Refused returns an error that names every difference that cannot be
// mended, nil if there is none.
func (p Plan) Refused() error {
	var list []string
	for _, c := range p {
		if c.Refused != "" {
			list = append(list, fmt.Sprintf("%s: %s: %s", c.Object, c.Action, c.Refused))
		}
	}
	if list == nil {
		return nil
	}
	return fmt.Errorf("incompatible schema: %s", strings.Join(list, "; "))
}
