package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/bigquery"
	"leadsync/transform"
)

// An erasure is that of one entity from the warehouse in force.
type erasure struct {
	cfg     *config.Config
	dialect sinks.Dialect
	data    erasureData
}

// erasureData is what the statements of an erasure ask for.
type erasureData struct {
	ID      string
	Word    string // regular expression that finds the id as a whole word
	Digest  string
	Version string
	Count   bool // count the rows instead of deleting them
}

// erasedTables are those that are deleted from, in order, each by a statement.
var erasedTables = [...]struct{ table, statement string }{
	{"transitions_log", "erase_transitions"},
	{"events_log", "erase_events"},
	{"dead_letters", "erase_dead_letters"},
}

// remains are what is stored about an entity.
type remains struct {
	erasedAt *time.Time // nil if it never was
	rows     []int64    // of erasedTables
}

func (r remains) total() (n int64) {
	for _, rows := range r.rows {
		n += rows
	}
	return n
}

func newErasure(cfg *config.Config, id string) *erasure {
	return &erasure{cfg: cfg, dialect: dialectOf(cfg), data: erasureData{
		ID: id, Word: wholeWord(id), Digest: transform.DigestEntity(id).String(), Version: thisBuild().version,
	}}
}

// wholeWord returns a regular expression (RE2) that finds the id where no
// letter or digit touches it, nor a sign that it has itself. The n of an
// escaped line feed does not count as a letter.
func wholeWord(id string) string {
	other := "[^0-9A-Za-z"
	for _, c := range []byte(id) {
		if sign := fmt.Sprintf(`\x%02x`, c); !strings.ContainsRune(letters, rune(c)) && !strings.Contains(other, sign) {
			other += sign
		}
	}
	other += "]"
	return `(^|` + other + `|\\[bfnrt]|\\u[0-9A-Fa-f]{4})` + regexp.QuoteMeta(id) + `(` + other + `|$)`
}

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// lookTimeout bounds the counting of what is stored about an entity.
const lookTimeout = 10 * time.Minute

// look finds what is stored. It changes nothing.
func (e *erasure) look(ctx context.Context) (found remains, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	w, err := openWarehouse(ctx, e.cfg)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := &lookup{warehouse: w, dialect: e.dialect}
	if found.erasedAt, err = l.erasedAt(ctx, e.data.ID); err != nil {
		return found, l.explained(ctx, err)
	}
	counting := e.data
	counting.Count = true
	for _, t := range erasedTables {
		rows, err := l.ask(ctx, t.statement, counting)
		if err != nil {
			return found, l.explained(ctx, err)
		}
		for _, r := range rows {
			found.rows = append(found.rows, r.number("found"))
		}
	}
	return found, nil
}

// carryOut sets the tombstone, deletes what is stored, and prints what was
// done, also if not all was. The tombstone comes first: what a worker writes
// meanwhile is less and less, and running it again finishes the work.
func (e *erasure) carryOut(ctx context.Context, out io.Writer, first bool) (err error) {
	w, err := openWritable(ctx, e.cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	var statements []string
	if first {
		statements = append(statements, sinks.Statement(e.dialect, "erase_tombstone", e.data))
	}
	for _, t := range erasedTables {
		statements = append(statements, sinks.Statement(e.dialect, t.statement, e.data))
	}
	counts, err := w.Execute(ctx, statements...)
	if first && len(counts) > 0 {
		counts = counts[1:]
	}
	if len(counts) > 0 {
		err = errors.Join(err, e.print(out, "rows deleted", counts, ""))
	}
	if err != nil {
		return fmt.Errorf("%w\nrun it again to finish", err)
	}
	return e.forget(ctx, out, w)
}

// forget sees to what the warehouse keeps of deleted rows, and says what that is.
func (e *erasure) forget(ctx context.Context, out io.Writer, w sinks.Warehouse) error {
	end := fmt.Sprintf("%s is erased: events about it are left out from now on", e.data.ID)
	switch w := w.(type) {
	case interface{ Compact(context.Context) error }:
		if err := w.Compact(ctx); err != nil {
			return fmt.Errorf("the rows are deleted, but their values are in the file still: %w\nrun it again to finish", err)
		}
		end += "\nthe file was written anew: no deleted value is in it\n"
	case interface {
		TimeTravel(context.Context) (time.Duration, error)
	}:
		travel, err := w.TimeTravel(ctx)
		if err != nil {
			return fmt.Errorf("the rows are deleted; for how long BigQuery keeps them is not known: %w", err)
		}
		end += "\n" + kept(travel, time.Now())
	}
	_, err := io.WriteString(out, end)
	return err
}

// print prints how many rows of each table there are or were.
func (e *erasure) print(out io.Writer, title string, rows []int64, end string) error {
	lines := make([][]string, len(rows))
	for i, n := range rows {
		lines[i] = []string{erasedTables[i].table, grouped(n)}
	}
	if _, err := fmt.Fprintf(out, "%s:\n", title); err != nil {
		return err
	}
	if err := printColumns(out, lines, 1); err != nil {
		return err
	}
	if end != "" {
		end += "\n"
	}
	_, err := io.WriteString(out, "\n"+end)
	return err
}

// kept says what BigQuery keeps of deleted rows.
func kept(travel time.Duration, now time.Time) string {
	const day = 24 * time.Hour
	gone := now.Add(travel + bigquery.FailSafe)
	return fmt.Sprintf(`BigQuery keeps deleted rows: they can be read for %d days more (time travel), and Google can bring them back for
another %d (fail-safe). They are gone for good after %s.
Workers that run learn of it within %d minutes: run it again after that, to delete what they wrote meanwhile.
`, travel/day, bigquery.FailSafe/day, gone.UTC().Format(time.DateOnly), erasedRefresh/time.Minute)
}
