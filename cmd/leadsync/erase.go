package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/transform"
)

type eraseCommand struct {
	ID     string `arg:"" name:"entity-id" help:"The entity_id of the lead or account; case matters."`
	DryRun bool   `help:"Print what would be deleted; change nothing."`
	Yes    bool   `short:"y" help:"Do not ask."`
	Block  bool   `help:"Go on when nothing is stored about it: what comes later is left out."`
}

// Help describes the command.
func (*eraseCommand) Help() string {
	return `Erases a lead or account for good, and leaves a tombstone: a digest of the id, by which workers leave out whatever
comes about it later. It deletes the events that happened to it or name it as their target, what they told of
transitions, and the dead letters that hold its id. The embedded warehouse's file is then written anew, since deleted
values would stand in it still; BigQuery keeps deleted rows for a while, and it is printed for how long.

What was interrupted is finished by running it again. Workers learn of an erasure within 5 minutes: what they wrote in
between is deleted by running it again after that.

On a terminal it asks before it changes anything; elsewhere it wants --yes. Exit status 1 if nothing is stored about
the id and it was never erased; nothing is changed then, unless --block is given.

Settings: SINK and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH. No worker may have the
file of the embedded warehouse open.

Example:

    leadsync erase --dry-run B3hJubdf4GR3fNhSyx5npA`
}

// Run erases the entity.
func (c *eraseCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if err := c.run(ctx, p, cfg); err != nil {
		if status := exitStatus(0); errors.As(err, &status) {
			return err
		}
		return fmt.Errorf("erase: %w", err)
	}
	return nil
}

func (c *eraseCommand) run(ctx context.Context, p *process, cfg *config.Config) error {
	if err := transform.CheckEntityID(c.ID); err != nil {
		return fmt.Errorf("%q is no entity_id: %w", c.ID, err)
	}
	ask := !c.DryRun && !c.Yes
	if ask && !isTerminal(p.stdin) {
		return errors.New("there is nobody to ask here: give --yes, or --dry-run to see what would be deleted")
	}
	e := newErasure(cfg, c.ID)
	found, err := e.look(ctx)
	if err != nil {
		return err
	}
	if found.erasedAt == nil && found.total() == 0 && !c.Block {
		return fmt.Errorf("nothing is stored about %s, and it was never erased: is the id right? "+
			"(--block keeps out what comes about it later)", c.ID)
	}
	if found.erasedAt != nil {
		fmt.Fprintf(p.stdout, "%s was erased at %s; what is here came since\n\n", c.ID, found.erasedAt.Format(time.RFC3339))
	}
	if c.DryRun {
		return e.print(p.stdout, "rows that would be deleted", found.rows, "nothing was changed")
	}
	if ask {
		if err := e.print(p.stdout, "rows to be deleted", found.rows, ""); err != nil {
			return err
		}
		if err := confirm(ctx, p, fmt.Sprintf("Erase %s for good? This cannot be undone. [y/N] ", c.ID)); err != nil {
			return err
		}
	}
	return e.carryOut(ctx, p.stdout, found.erasedAt == nil)
}

// confirm asks a yes-or-no question on standard error.
func confirm(ctx context.Context, p *process, question string) error {
	fmt.Fprint(p.stderr, question)
	answered := make(chan string, 1)
	go func() { // ends with the process if nobody ever answers
		line, _ := bufio.NewReader(p.stdin).ReadString('\n') // no answer is no
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		if answer == "y" || answer == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
	}
	fmt.Fprintln(p.stderr, "nothing was changed")
	return exitStatus(exitFailure)
}

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
