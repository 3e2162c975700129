package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"leadsync/sync/replay"
	"leadsync/transform"
)

type dlqInspectCommand struct {
	ID      string `arg:"" name:"id" help:"The dead_letter_id, or the beginning of it."`
	Payload bool   `help:"Write the payload's bytes, which are private data, to standard output, and nothing else."`
	Output  string `short:"o" help:"Write the payload's bytes to this file, which must not exist." placeholder:"FILE"`
	Format  string `short:"f" help:"text or json." enum:"text,json" default:"text"`
}

// Help describes the command.
func (*dlqInspectCommand) Help() string {
	return `Shows everything about one dead letter: how its message came, where the error is, the smallest part of the payload that
shows it with its values masked, every replay of it, and what this version makes of it with the settings in force: its
rows, or why it would die again.

The attributes of the message are shown as they are. The payload is not, but for --payload or --output.
It reads the warehouse and changes nothing. Exit status 1 if there is no such letter.

Settings: SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE, SINK and those of the warehouse: BIGQUERY_*,
GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Example:

    leadsync dlq inspect 336c223d
    leadsync dlq inspect 336c223d --payload | leadsync explain --file -`
}

// Validate is called once the flags are parsed.
func (c *dlqInspectCommand) Validate() error {
	if c.Payload && c.Output != "" {
		return errors.New("--payload and --output: give one of them")
	}
	return checkPrefix(&c.ID)
}

// checkPrefix brings the beginning of a letter's id into form.
func checkPrefix(id *string) error {
	*id = strings.ToLower(strings.TrimSpace(*id))
	if !isHex(*id) || len(*id) > 32 {
		return fmt.Errorf("%q is no dead_letter_id nor the beginning of one: want up to 32 hex digits", *id)
	}
	return nil
}

// An inspected letter is all that is known of it.
type inspected struct {
	ID            string            `json:"dead_letter_id"`
	Reason        string            `json:"reason"`
	Stage         string            `json:"stage"`
	Error         string            `json:"error"`
	Fingerprint   string            `json:"fingerprint"`
	Open          bool              `json:"is_open"`
	FirstDeadAt   time.Time         `json:"first_dead_at"`
	LastDeadAt    time.Time         `json:"last_dead_at"`
	Copies        int64             `json:"copies"`
	Attempts      *int64            `json:"attempts,omitempty"`
	WorkerVersion string            `json:"worker_version,omitempty"`
	MessageID     string            `json:"message_id,omitempty"`
	PublishedAt   *time.Time        `json:"published_at,omitempty"`
	Attributes    map[string]string `json:"attributes,omitempty"`
	PayloadBytes  int64             `json:"payload_bytes"`
	Place         *placeOfError     `json:"place,omitempty"` // nil where the error has none
	Fragment      string            `json:"fragment,omitempty"`
	Remedy        string            `json:"remedy,omitempty"`
	Mend          string            `json:"mend"`
	Replays       []replayed        `json:"replays"`
	Now           outlook           `json:"now"`
}

// A placeOfError is where in the payload the error is, lines and columns from 1.
type placeOfError struct {
	Byte   int `json:"byte"`
	Line   int `json:"line"`
	Column int `json:"column"` // in bytes
}

// replayed is a replay of a letter.
type replayed struct {
	At            time.Time `json:"replayed_at"`
	Outcome       string    `json:"outcome"`
	EventID       string    `json:"event_id,omitempty"`
	Reason        string    `json:"reason,omitempty"`
	Fingerprint   string    `json:"fingerprint,omitempty"`
	WorkerVersion string    `json:"worker_version,omitempty"`
}

// An outlook is what would become of a letter if it were replayed.
type outlook struct {
	Fate    string         `json:"fate"`
	Words   string         `json:"words"`
	EventID string         `json:"event_id,omitempty"`
	Rows    map[string]int `json:"rows,omitempty"` // by table
	Error   string         `json:"error,omitempty"`
}

// Run shows the letter.
func (c *dlqInspectCommand) Run(ctx context.Context, p *process) error {
	cfg, options, err := p.rowSettings()
	if err != nil {
		return err
	}
	err = withLetters(ctx, cfg, func(ctx context.Context, l *lookup) error {
		r, err := l.findLetter(ctx, c.ID)
		if err != nil {
			return err
		}
		letter := newStoredLetter(r)
		if err := l.fetch(ctx, []*storedLetter{letter}); err != nil {
			return err
		}
		if c.Payload || c.Output != "" {
			return c.writePayload(p, letter)
		}
		if options.Erased, err = l.tombstones(ctx); err != nil {
			return err
		}
		s, err := l.inspect(ctx, r, letter, options)
		if err != nil {
			return err
		}
		return printEach(p.stdout, c.Format, []*inspected{s}, func(s *inspected) error { return s.print(p.stdout, cfg.Zone) })
	})
	if err != nil {
		return fmt.Errorf("inspect dead letter: %w", err)
	}
	return nil
}

// writePayload writes the payload as it is kept.
func (c *dlqInspectCommand) writePayload(p *process, letter *storedLetter) error {
	if letter.Torn {
		return fmt.Errorf("letter %s: %s", letter.ID, fateWords(letter, replay.Torn))
	}
	if c.Payload {
		_, err := p.stdout.Write(letter.Payload)
		return err
	}
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(letter.Payload)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "%s in %s\n", count(int64(len(letter.Payload)), "byte", "bytes"), c.Output)
	return nil
}

// inspect gathers what is known of a letter.
func (l *lookup) inspect(ctx context.Context, r record, letter *storedLetter, options transform.Options) (*inspected, error) {
	s := &inspected{
		ID: letter.ID, Reason: string(letter.Reason), Stage: letter.Stage, Error: letter.Error, Fingerprint: letter.Fingerprint,
		Open: r.flag("is_open"), FirstDeadAt: letter.FirstDeadAt, LastDeadAt: letter.LastDeadAt, Copies: r.number("copies"),
		WorkerVersion: r.text("worker_version"), MessageID: letter.MessageID, PublishedAt: r.optionalTime("published_at"),
		Attributes: letter.Attributes, PayloadBytes: letter.PayloadBytes,
		Mend: letter.Reason.Mend(), Remedy: letter.Reason.Remedy(), Replays: []replayed{},
	}
	if n := r.number("attempts"); n > 0 {
		s.Attempts = &n
	}
	if !letter.Torn {
		s.Fragment = transform.New(options).Fragment(letter.Payload, letter.Reason, letter.Error, letter.LastDeadAt)
		s.Place = placeIn(letter.Payload, transform.OffsetIn(letter.Error))
	}
	history, err := l.askLetters(ctx, "dlq_replays", map[string]any{"ID": letter.ID})
	if err != nil {
		return nil, err
	}
	for _, h := range history {
		s.Replays = append(s.Replays, replayed{
			At: h.instant("replayed_at"), Outcome: h.text("outcome"), EventID: h.text("event_id"), Reason: h.text("reason"),
			Fingerprint: h.text("fingerprint"), WorkerVersion: h.text("worker_version"),
		})
	}
	s.Now = newOutlook(letter, options)
	return s, nil
}

// placeIn returns the place of a byte in a payload; nil if it is not in it.
func placeIn(payload []byte, at int) *placeOfError {
	if at < 0 || at > len(payload) {
		return nil
	}
	before := payload[:at]
	return &placeOfError{Byte: at, Line: 1 + bytes.Count(before, []byte{'\n'}), Column: at - bytes.LastIndexByte(before, '\n')}
}

// newOutlook tells what this version makes of a letter.
func newOutlook(letter *storedLetter, options transform.Options) outlook {
	now := time.Now()
	v := replay.NewJudge(options).Judge(&letter.Letter, now)
	o := outlook{Fate: string(v.Fate), Words: fateWords(letter, v.Fate), EventID: v.EventID}
	if v.Rejection != nil {
		o.Error = v.Rejection.Error()
	}
	if v.Fate != replay.Written {
		return o
	}
	var rows transform.Rows
	if _, err := transform.New(options).Transform(&rows, letter.Payload, transform.Delivery{IngestedAt: now}); err == nil {
		o.Rows = map[string]int{}
		for _, t := range transform.Tables() {
			if n := rows.Len(t.ID); n > 0 {
				o.Rows[t.Name] = n
			}
		}
	}
	return o
}
