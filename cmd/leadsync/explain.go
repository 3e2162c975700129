package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"leadsync/config"
)

type explainCommand struct {
	ID     string `arg:"" optional:"" name:"id" help:"An entity_id, event_id, message_id or dead_letter_id. With --file it may be left out."`
	File   string `placeholder:"FILE" help:"Explain the events of this file, - for standard input, before they are sent."`
	Format string `short:"f" help:"text, or json (an object a line)." enum:"text,json" default:"text"`
	Limit  int    `help:"Tell at most so many events, 1 to 1000." default:"50" placeholder:"N"`
}

// Help describes the command.
func (*explainCommand) Help() string {
	return `Tells why a row is there, or why it is not. For a lead or account: each of its events with the copies received, what
was in it, the rules that made transitions of it, its rows, its batch, and when that was durable. For an event: the same
for the one. For what is not there: what was looked at, and the likely reasons. It reads the warehouse and changes nothing.

With --file it needs no warehouse: for each event of the file, NDJSON, JSON objects or one JSON array, it tells which
column each key goes to or why none, which changes and transitions it gives or why none, and for a dead letter how to mend it.

Settings: SOURCE_TIMEZONE; with --file FIELD_POLICY_FILE, PROMOTED_FIELDS; without it SINK and those of the warehouse:
BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Exit status: 0 if it was found, 1 if it was not. With --file 3 if some events are dead letters.

Example:

    leadsync explain wkrEQpJA3Z96UEsQxq6EeQ
    leadsync explain --file payload.json`
}

// Validate is called once the flags are parsed.
func (c *explainCommand) Validate() error {
	c.ID = strings.TrimSpace(c.ID)
	if c.ID == "" && c.File == "" {
		return errors.New("an id is missing, or --file FILE")
	}
	if c.Limit < 1 || c.Limit > 1000 {
		return fmt.Errorf("--limit %d: want 1 to 1000", c.Limit)
	}
	if id := strings.ToLower(c.ID); isEventID(id) {
		c.ID = id
	}
	return nil
}

// isEventID reports whether a text has the form of an event_id, which a
// dead_letter_id has too.
func isEventID(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// explainTimeout bounds all that an explanation asks of the warehouse.
const explainTimeout = 5 * time.Minute

// Run explains.
func (c *explainCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if c.File != "" {
		return c.explainFile(ctx, p, cfg)
	}
	found, err := c.explainStored(ctx, p, cfg)
	switch {
	case err != nil:
		return fmt.Errorf("explain: %w", err)
	case !found:
		return exitStatus(exitFailure)
	default:
		return nil
	}
}

// explainStored explains what the warehouse holds of the id. It reports
// whether that is anything.
func (c *explainCommand) explainStored(ctx context.Context, p *process, cfg *config.Config) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	w, err := openWarehouse(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := &lookup{warehouse: w, dialect: dialectOf(cfg), zone: cfg.Zone, limit: c.Limit}
	stories, err := l.stories(ctx, c.ID)
	if err != nil {
		return false, l.explained(ctx, err)
	}
	out := &storyPrinter{w: p.stdout, zone: cfg.Zone, zoneName: cfg.SourceTimezone}
	if len(stories) > 0 {
		return true, printEach(p.stdout, c.Format, stories, out.story)
	}
	nothing, err := l.absence(ctx, c.ID)
	if err != nil {
		return false, l.explained(ctx, err)
	}
	return nothing.isDeadLetter(), printEach(p.stdout, c.Format, []*absence{nothing}, out.absence)
}
