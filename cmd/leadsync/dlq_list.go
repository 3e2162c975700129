package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"leadsync/config"
	"leadsync/transform"
)

type dlqListCommand struct {
	letterChoice
	All    bool   `help:"Also causes whose letters all became rows."`
	Limit  int    `help:"Show at most so many causes, 1 to 1000." default:"50" placeholder:"N"`
	Format string `short:"f" help:"table, json (an object a line) or csv." enum:"table,json,csv" default:"table"`
}

// Help describes the command.
func (*dlqListCommand) Help() string {
	return `Shows the dead letters by cause, those with the same fingerprint together: how many there are and how many of them are
still open, when the first and the last of them died, the error, the smallest part of a payload that shows it, and where
there is one, the setting or step by which they are accepted. A letter is open until a replay has made rows of it.

No value is shown: in the part of the payload an x stands for a letter and a 9 for a digit. It reads the warehouse and
changes nothing. Exit status 0, also if there are letters.

Settings: SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE, SINK and those of the warehouse: BIGQUERY_*,
GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Example:

    leadsync dlq list --since 24h
    leadsync dlq list --all --format csv > letters.csv`
}

// Validate is called once the flags are parsed.
func (c *dlqListCommand) Validate() error {
	if c.Limit < 1 || c.Limit > 1000 {
		return fmt.Errorf("--limit %d: want 1 to 1000", c.Limit)
	}
	return c.check()
}

// A letterGroup is the dead letters with one fingerprint.
type letterGroup struct {
	Fingerprint, Reason, Stage string
	Open, All                  int64
	FirstSeenAt, LastSeenAt    time.Time
	Error                      string // of the letter shown
	Letter                     string // its id
	Fragment                   string // of its payload; "" where it shows nothing
	Remedy                     string // "" where there is none
	Mend                       string // what the sender can do
}

// Run lists the letters.
func (c *dlqListCommand) Run(ctx context.Context, p *process) error {
	cfg, options, err := p.rowSettings()
	if err != nil {
		return err
	}
	err = withLetters(ctx, cfg, func(ctx context.Context, l *lookup) error {
		groups, err := c.groups(ctx, l, transform.New(options))
		if err != nil {
			return err
		}
		return c.print(p, cfg, groups)
	})
	if err != nil {
		return fmt.Errorf("list dead letters: %w", err)
	}
	return nil
}

// groups returns the groups that are asked for, and one more if there is.
func (c *dlqListCommand) groups(ctx context.Context, l *lookup, t *transform.Transformer) (groups []letterGroup, err error) {
	filter, err := c.filter(l.zone)
	if err != nil {
		return nil, err
	}
	data := struct {
		letterFilter
		All   bool
		Limit int
	}{filter, c.All, c.Limit + 1}
	rows, err := l.askLetters(ctx, "dlq_groups", data)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		reason := transform.Reason(r.text("reason"))
		groups = append(groups, letterGroup{
			Fingerprint: r.text("fingerprint"), Reason: string(reason), Stage: r.text("stage"),
			Open: r.number("open_letters"), All: r.number("letters"),
			FirstSeenAt: r.instant("first_seen_at"), LastSeenAt: r.instant("last_seen_at"),
			Error: r.text("error"), Letter: r.text("dead_letter_id"), Remedy: reason.Remedy(), Mend: reason.Mend(),
		})
	}
	return groups, l.fragments(ctx, rows, groups, t)
}

// fragments adds to each group what of its letter shows the cause. Payloads are
// read one after the other where they are large.
func (l *lookup) fragments(ctx context.Context, rows []record, groups []letterGroup, t *transform.Transformer) error {
	for len(rows) > 0 {
		var letters []*storedLetter
		size := int64(0)
		for _, r := range rows {
			letter := newStoredLetter(r)
			letter.FirstDeadAt, letter.LastDeadAt = r.instant("letter_first_dead_at"), r.instant("letter_last_dead_at")
			if size += letter.PayloadBytes; len(letters) > 0 && size > chunkBytes {
				break
			}
			letters = append(letters, letter)
		}
		if err := l.fetch(ctx, letters); err != nil {
			return err
		}
		for i, letter := range letters {
			if !letter.Torn {
				groups[i].Fragment = t.Fragment(letter.Payload, letter.Reason, letter.Error, letter.LastDeadAt)
			}
		}
		rows, groups = rows[len(letters):], groups[len(letters):]
	}
	return nil
}

// print prints the groups in the format that is asked for.
func (c *dlqListCommand) print(p *process, cfg *config.Config, groups []letterGroup) error {
	more := len(groups) > c.Limit
	groups = groups[:min(len(groups), c.Limit)]
	out := bufio.NewWriter(p.stdout)
	var err error
	if c.Format == "table" {
		err = printGroups(out, groups, cfg.Zone, c.All)
	} else {
		err = printGroupRows(newRowPrinter(c.Format, out), groups)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err == nil && more {
		fmt.Fprintf(p.stderr, "the %s with the most open letters; --limit shows up to 1000\n", count(int64(c.Limit), "cause", "causes"))
	}
	return err
}

// printGroupRows prints a row a group.
func printGroupRows(printer rowPrinter, groups []letterGroup) error {
	if err := printer.columns([]string{
		"fingerprint", "reason", "stage", "open", "letters", "first_seen_at", "last_seen_at", "error", "fragment", "remedy", "mend", "dead_letter_id",
	}); err != nil {
		return err
	}
	orNull := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	for _, g := range groups {
		if err := printer.row([]any{
			g.Fingerprint, g.Reason, g.Stage, g.Open, g.All, g.FirstSeenAt, g.LastSeenAt, g.Error, orNull(g.Fragment), orNull(g.Remedy), g.Mend, g.Letter,
		}); err != nil {
			return err
		}
	}
	return printer.end()
}

// printGroups prints the groups for people, a block each.
func printGroups(w io.Writer, groups []letterGroup, zone *time.Location, all bool) error {
	out := &sheet{zone: zone}
	switch {
	case len(groups) == 0 && all:
		out.line("no dead letters")
	case len(groups) == 0:
		out.line("no open dead letters")
	default:
		letters, open := int64(0), int64(0)
		for _, g := range groups {
			letters, open = letters+g.All, open+g.Open
		}
		out.line("%s open of %s, %s; times are in %s", grouped(open), count(letters, "dead letter", "dead letters"),
			count(int64(len(groups)), "cause", "causes"), zone)
	}
	for _, g := range groups {
		out.line("\n%s  %s  %s", g.Fingerprint, g.Reason, g.Stage)
		out.list("letters", []string{fmt.Sprintf("%s open of %s", grouped(g.Open), grouped(g.All)),
			"first seen " + out.second(g.FirstSeenAt), "last seen " + out.second(g.LastSeenAt)})
		out.section("error", printable(g.Error)+"\n")
		if g.Fragment != "" {
			out.section("payload", printable(g.Fragment)+"\n")
		}
		if g.Remedy != "" {
			out.words("accepted by", g.Remedy)
		}
		out.words("to mend it", g.Mend)
		out.section("for example", g.Letter+"\n")
	}
	_, err := out.b.WriteTo(w)
	return err
}
