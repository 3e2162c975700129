package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"leadsync/config"
)

type reconcileCommand struct {
	Since  string `help:"First day of the events (UTC); 30 days ago unless told otherwise." placeholder:"DATE"`
	Until  string `help:"Last day of the events (UTC)." placeholder:"DATE"`
	All    bool   `help:"All days."`
	Format string `short:"f" help:"table, json (an object a line) or csv." enum:"table,json,csv" default:"table"`
	Gaps   string `help:"Gaps in the transitions: show them, let them fail, or skip them." enum:"show,fail,skip" default:"show"`

	Export  []string `help:"Compare with exported events instead, each by its identity; may be given several times." placeholder:"FILE" sep:"none"`
	Heal    bool     `help:"With --export: write what is missing, then compare again."`
	Partial bool     `help:"With --export: it need not have every event; those it lacks are not looked for."`
	IDs     int      `name:"ids" help:"With --export: print so many ids of each kind." default:"5" placeholder:"N"`

	window int // events of an export that are compared at once; 0: the default
}

// Help describes the command.
func (*reconcileCommand) Help() string {
	return `Proves that nothing was lost, or says what was. It compares what the ledger (sync_batches) says was written with what
is stored, by UTC day and event type: a row is durable before the ledger tells of it, so fewer rows than it tells of are
lost. It checks that every batch adds up, that every dead letter is stored, and shows the gaps in the transitions.

Verdicts: lost; erased (rows are missing, and leads were erased since); unledgered (events are stored that the ledger
never told of); not_tallied (by a version that did not count by day and type); agrees.

With --export it compares an export of the source's events, in any form that leadsync transform reads, with what is
stored, event by event: missing, extra, and told differently. --heal writes what is missing as the worker would; it can
be run again at any time. The embedded warehouse must not be open in a worker.

Settings: SINK and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH; with --export
SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE too.

Exit status: 0 if they agree, 4 if they do not, 1 if it could not be found out. Erased rows agree; gaps do unless
--gaps=fail.

Examples:

    leadsync reconcile --since 2026-11-01
    leadsync reconcile --export october.json --heal`
}

// Validate is called once the flags are parsed.
func (c *reconcileCommand) Validate() error {
	switch {
	case c.Export == nil && (c.Heal || c.Partial):
		return errors.New("--heal and --partial want --export")
	case c.All && (c.Since != "" || c.Until != ""):
		return errors.New("--all and a range: want one of them")
	case c.Export != nil && c.Format != "table":
		return errors.New("--export prints no other format than table")
	case c.Heal && slices.Contains(c.Export, "-"):
		return errors.New("--heal reads an export twice: want a file, not standard input")
	case len(c.Export) > 1000:
		return fmt.Errorf("--export %d times: want 1000 at most", len(c.Export))
	case c.IDs < 0 || c.IDs > 1000:
		return fmt.Errorf("--ids=%d: want 0 to 1000", c.IDs)
	}
	_, err := c.days(time.Now())
	return err
}

// Run compares, prints what it found, and ends with the status for it.
func (c *reconcileCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	days, err := c.days(time.Now())
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	var agrees bool
	if c.Export != nil {
		agrees, err = c.compareExport(ctx, p, cfg, days)
	} else {
		agrees, err = c.compareLedger(ctx, p, cfg, days)
	}
	switch {
	case err != nil:
		return fmt.Errorf("reconcile: %w", err)
	case !agrees:
		return exitStatus(exitDisagreement)
	}
	return nil
}

// A dayRange is a range of UTC days: from Since up to Until, and not with it.
type dayRange struct {
	since, until time.Time
	given        bool // somebody asked for it
}

// The first and the last day that a warehouse can hold.
var (
	firstDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDay  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// reconciledDays is how many days are compared unless told otherwise.
const reconciledDays = 30

// days returns the range that was asked for.
func (c *reconcileCommand) days(now time.Time) (dayRange, error) {
	r := dayRange{since: firstDay, until: lastDay, given: c.Since != "" || c.Until != ""}
	if !c.All && c.Export == nil {
		r.since = now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -reconciledDays)
	}
	if c.Since != "" {
		day, err := time.Parse(time.DateOnly, c.Since)
		if err != nil {
			return r, fmt.Errorf("--since %s: want a date like 2026-11-01", c.Since)
		}
		r.since = day
	}
	if c.Until != "" {
		day, err := time.Parse(time.DateOnly, c.Until)
		if err != nil {
			return r, fmt.Errorf("--until %s: want a date like 2026-11-01", c.Until)
		}
		r.until = day.AddDate(0, 0, 1)
	}
	if !r.since.Before(r.until) {
		return r, fmt.Errorf("--until %s is before the first day, %s", c.Until, r.since.Format(time.DateOnly))
	}
	return r, nil
}

// data is what the statements about a range of days ask for. Events are told
// at once, so that those of a range came in from a day before it on, whatever
// the clocks; none is looked for further back.
func (r dayRange) data() map[string]any {
	from := r.since
	if from.After(firstDay) {
		from = from.AddDate(0, 0, -1)
	}
	return map[string]any{"Since": sqlInstant(r.since), "Until": sqlInstant(r.until), "From": sqlInstant(from)}
}

func (r dayRange) String() string {
	switch first, last := r.since.Format(time.DateOnly), r.until.AddDate(0, 0, -1).Format(time.DateOnly); {
	case r.since.Equal(firstDay) && r.until.Equal(lastDay):
		return "all days"
	case r.until.Equal(lastDay):
		return "since " + first
	case r.since.Equal(firstDay):
		return "up to " + last
	case first == last:
		return first
	default:
		return first + " to " + last
	}
}

// warehouseName names the warehouse in force for people.
func warehouseName(cfg *config.Config) string {
	if cfg.Sink == config.DuckDB {
		return cfg.DuckDBPath
	}
	return cfg.Project + "." + cfg.Dataset
}
