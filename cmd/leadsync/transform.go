package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"leadsync/sync/records"
	"leadsync/transform"
)

type transformCommand struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files with events; - or none is standard input."`
	Quiet bool     `short:"q" help:"Print no summary on standard error."`
}

// Help describes the command.
func (*transformCommand) Help() string {
	return `Reads events and prints the rows that they become, one JSON object a line; nothing is written anywhere.
The input is NDJSON, JSON objects one after the other, or one JSON array of any size.
What cannot become rows is printed as a dead letter with its place in the input.

Settings: SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE.

Exit status: 0 if every event became rows, 3 if some are dead letters, 1 if the input could not be read.

Example:

    leadsync transform export.json | jq -c 'select(.table == "transitions_log").row'`
}

// Run prints the rows of every file.
func (c *transformCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	options, err := p.transformOptions(cfg)
	if err != nil {
		return err
	}
	run := newDryRun(options, p.stdout)
	for _, name := range files {
		if err = run.file(ctx, p.stdin, name); err != nil {
			break
		}
	}
	if flushed := run.out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("print rows: %w", flushed)
	}
	if !c.Quiet && !errors.Is(err, syscall.EPIPE) && (err == nil || run.events > 0) {
		run.summarize(p.stderr)
	}
	if err == nil && run.dead > 0 {
		return exitStatus(exitDeadLetters)
	}
	return err
}

// A dryRun transforms events and prints their rows.
type dryRun struct {
	transformer *transform.Transformer
	out         *bufio.Writer
	now         time.Time

	rows   transform.Rows
	values []any
	line   []byte

	events, dead int
	tables       [transform.NumTables]int
	reasons      map[transform.Reason]int
}

func newDryRun(options transform.Options, out io.Writer) *dryRun {
	return &dryRun{
		transformer: transform.New(options),
		out:         bufio.NewWriterSize(out, 64<<10),
		now:         time.Now(),
		reasons:     make(map[transform.Reason]int),
	}
}

// file transforms the events of the file of that name, "-" for standard input.
func (d *dryRun) file(ctx context.Context, stdin io.Reader, name string) error {
	src := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("transform: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		src = f
	}
	reader := records.NewReader(&flushFirst{src: src, out: d.out})
	for {
		rec, err := reader.Next()
		switch {
		case err == io.EOF: //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
			return nil
		case err != nil:
			return fmt.Errorf("transform %s: %w", name, err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("transform %s: stopped after record %d: %w", name, rec.Number-1, err)
		}
		if err := d.event(name, rec); err != nil {
			return fmt.Errorf("print rows: %w", err)
		}
	}
}

// event prints the rows of one event, or its dead letter.
func (d *dryRun) event(file string, rec records.Record) error {
	d.events++
	d.rows.Reset()
	_, err := d.transformer.Transform(&d.rows, rec.Data, transform.Delivery{IngestedAt: d.now, Source: "backfill"})
	var rejection *transform.Rejection
	if errors.As(err, &rejection) {
		return d.deadLetter(file, rec, rejection)
	}
	for i := range transform.Tables() {
		t := transform.TableID(i).Table()
		for row := range d.rows.Len(t.ID) {
			if d.values, err = t.Values(d.values[:0], d.rows.Row(t.ID, row)); err != nil {
				return err
			}
			d.tables[t.ID]++
			d.begin(t.ID)
			d.line = appendRow(d.line, t.Columns, d.values)
			if err := d.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *dryRun) deadLetter(file string, rec records.Record, r *transform.Rejection) error {
	d.dead++
	d.reasons[r.Reason]++
	d.begin(transform.DeadLetters)
	d.line = append(d.line, `{"reason":`...)
	d.line = appendQuoted(d.line, string(r.Reason))
	d.line = append(d.line, `,"stage":`...)
	d.line = appendQuoted(d.line, string(r.Stage))
	d.line = append(d.line, `,"error":`...)
	d.line = appendQuoted(d.line, r.Error())
	d.line = append(d.line, `},"input":{"file":`...)
	d.line = appendQuoted(d.line, file)
	d.line = fmt.Appendf(d.line, `,"record":%d,"line":%d,"offset":%d}`, rec.Number, rec.Line, rec.Offset)
	return d.end()
}

func (d *dryRun) begin(table transform.TableID) {
	d.line = append(d.line[:0], `{"table":`...)
	d.line = appendQuoted(d.line, table.String())
	d.line = append(d.line, `,"row":`...)
}

func (d *dryRun) end() error {
	d.line = append(d.line, '}', '\n')
	_, err := d.out.Write(d.line)
	return err
}

// summarize says what became of the input.
func (d *dryRun) summarize(w io.Writer) {
	lines := [][]string{{"events", grouped(int64(d.events))}}
	for i, n := range d.tables {
		if n > 0 {
			lines = append(lines, []string{"rows of " + transform.TableID(i).String(), grouped(int64(n))})
		}
	}
	for _, reason := range transform.Reasons {
		if n := d.reasons[reason]; n > 0 {
			lines = append(lines, []string{"dead letters: " + string(reason), grouped(int64(n))})
		}
	}
	_ = printColumns(w, lines, 1) // the rows are out; nobody is left to tell
}

// flushFirst flushes what was printed before it waits for more input, so that
// a person who types events, or a pipe that brings one now and then, sees
// their rows at once.
type flushFirst struct {
	src io.Reader
	out *bufio.Writer
}

func (f *flushFirst) Read(b []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, err
	}
	return f.src.Read(b)
}
