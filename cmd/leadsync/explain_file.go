package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"leadsync/config"
	"leadsync/sync/records"
	"leadsync/transform"
)

// A fileExplainer explains events that have not been sent yet.
type fileExplainer struct {
	transformer *transform.Transformer
	zone        *time.Location
	name        string // of the file
	id          string // of the event or entity to tell of; "" for all
	limit       int
	format      string
	out         io.Writer
	now         time.Time

	rows                     transform.Rows
	read, told, dead, beyond int
}

// explainFile explains the events of the file.
func (c *explainCommand) explainFile(ctx context.Context, p *process, cfg *config.Config) error {
	options, err := p.transformOptions(cfg)
	if err != nil {
		return err
	}
	src := p.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("explain: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		src = f
	}
	x := &fileExplainer{
		transformer: transform.New(options),
		zone:        cfg.Zone, name: c.File, id: c.ID, limit: c.Limit, format: c.Format, out: p.stdout, now: time.Now(),
	}
	if err := x.all(ctx, src); err != nil {
		return err
	}
	if x.beyond > 0 {
		fmt.Fprintf(p.stderr, "%s left out; --limit tells of up to 1000\n", count(int64(x.beyond), "more event is", "more events are"))
	}
	switch {
	case x.told == 0 && x.id != "":
		fmt.Fprintf(p.stderr, "none of %s in %s has the id or is about it\n", count(int64(x.read), "event", "events"), x.name)
		return exitStatus(exitFailure)
	case x.read == 0:
		fmt.Fprintf(p.stderr, "no event in %s\n", x.name)
	case x.dead > 0:
		return exitStatus(exitDeadLetters)
	}
	return nil
}

func (x *fileExplainer) all(ctx context.Context, src io.Reader) error {
	reader := records.NewReader(src)
	for {
		rec, err := reader.Next()
		switch {
		case err == io.EOF: //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
			return nil
		case err != nil:
			return fmt.Errorf("explain %s: %w", x.name, err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("explain %s: stopped after record %d: %w", x.name, rec.Number-1, err)
		}
		if err := x.event(rec); err != nil {
			return err
		}
	}
}

// event explains one event, if it is asked for and not beyond the limit.
func (x *fileExplainer) event(rec records.Record) error {
	x.read++
	x.rows.Reset()
	s := &sent{Input: inputPlace{File: x.name, Record: rec.Number, Line: rec.Line, Offset: rec.Offset, Bytes: rec.Size}}
	e, err := x.transformer.Explain(&x.rows, rec.Data, transform.Delivery{IngestedAt: x.now, Source: "backfill"})
	var rejection *transform.Rejection
	switch {
	case errors.As(err, &rejection):
		if !bytes.Contains(rec.Data, []byte(x.id)) {
			return nil
		}
		x.dead++
		s.DeadLetter = x.deadLetter(rec, rejection)
	case x.id != "" && x.id != hex.EncodeToString(e.Event.ID[:]) && x.id != e.EntityID:
		return nil
	default:
		s.fill(e)
	}
	if x.told == x.limit {
		x.beyond++
		return nil
	}
	x.told++
	if x.format == "text" && x.told > 1 {
		if _, err := fmt.Fprintln(x.out); err != nil {
			return fmt.Errorf("print explanation: %w", err)
		}
	}
	return printEach(x.out, x.format, []*sent{s}, func(s *sent) error { return s.print(x.out, x.zone) })
}

// deadLetter tells what an event that is rejected would leave behind, and how
// to mend it.
func (x *fileExplainer) deadLetter(rec records.Record, r *transform.Rejection) *rejected {
	x.rows.AppendDeadLetter(transform.DeadLetter{Rejection: r, Payload: rec.Data, DeadAt: x.now})
	values, err := transform.DeadLetters.Table().Values(nil, x.rows.Row(transform.DeadLetters, 0))
	out := &rejected{
		Reason: string(r.Reason), Stage: string(r.Stage), Error: r.Error(), Fingerprint: r.Fingerprint(), Mend: r.Reason.Mend(),
	}
	if err == nil && rec.Size == int64(len(rec.Data)) { // of one cut short the identity is another
		out.ID, _ = values[0].(string)
	}
	var at int
	if n, _ := fmt.Sscanf(r.Detail, "at byte %d", &at); n == 1 && at <= len(rec.Data) {
		before := rec.Data[:at]
		out.Line = rec.Line + bytes.Count(before, []byte{'\n'})
		out.Column = at - bytes.LastIndexByte(before, '\n')
		if out.Line == rec.Line {
			out.Column = 0 // what stands before the record in its line is not known here
		}
	}
	return out
}
