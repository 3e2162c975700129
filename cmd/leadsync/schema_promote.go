package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/transform"
)

type schemaPromoteCommand struct {
	Field  string `arg:"" help:"Key of extra_data, or envelope.KEY for one of the event itself."`
	DryRun bool   `help:"Print the SQL and change nothing."`
}

// Help describes the command.
func (*schemaPromoteCommand) Help() string {
	return `Gives a field of the source that no column holds, and that is kept in extra so far, a column of its own: STRING,
NULLABLE, at the end of events_log and in the view events. It is named as the key, with _ for what is no letter of a to z,
no digit and no _, and with a _ before a digit at its beginning and after a word of SQL. Rows that are there are filled
from extra: with the text of strings, numbers and booleans; an object or array stays in extra alone.

The SQL is printed first. Whatever else schema apply would change is changed too. Doing it again fills the rows that were
written without the column since. Where tables are large, filling reads extra and rewrites every row that has the field.

For new events set PROMOTED_FIELDS, for all workers and commands: comma-separated fields, at most 64. The value then goes to the
column and no longer to extra. A worker whose table lacks the column waits for it; without the setting the view events
is made without the column.

Settings: SINK, PROMOTED_FIELDS and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Example:

    leadsync schema promote lead_score --sink bigquery --dry-run
    leadsync schema promote envelope.openplatform`
}

// Run adds the field's column and fills it.
func (c *schemaPromoteCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	fields, err := c.promote(cfg)
	if err != nil {
		return err
	}
	if err := c.run(ctx, p, cfg, fields); err != nil {
		return fmt.Errorf("promote field %q: %w", c.Field, err)
	}
	return nil
}

// promote adds the field to those that have columns, unless the settings have
// done it. It returns what PROMOTED_FIELDS must name.
func (c *schemaPromoteCommand) promote(cfg *config.Config) ([]string, error) {
	field, err := transform.ParseField(c.Field)
	named := slices.ContainsFunc(cfg.PromotedFields, func(s string) bool {
		f, _ := transform.ParseField(s) // it was promoted, so it can be read
		return f == field
	})
	if err == nil && named {
		return cfg.PromotedFields, nil
	}
	if err := transform.Promote(c.Field); err != nil {
		return nil, err
	}
	return append(slices.Clone(cfg.PromotedFields), c.Field), nil
}

func (c *schemaPromoteCommand) run(ctx context.Context, p *process, cfg *config.Config, fields []string) error {
	plan, err := planSchema(ctx, p)
	if err == nil {
		err = plan.Refused()
	}
	if err != nil {
		return err
	}
	field, err := transform.ParseField(c.Field)
	if err != nil {
		return err
	}
	fill := sinks.Statement(dialectOf(cfg), "promote_fill", map[string]string{
		"Column": field.Column(), "Part": field.Part.String(), "Key": field.Key,
	})
	if err := printStatements(p.stdout, plan, fill); err != nil || c.DryRun {
		return err
	}
	filled, err := applyAndFill(ctx, cfg, fill)
	if err != nil {
		return err
	}
	if len(plan) > 0 {
		if err := printPlan(p.stdout, plan, false); err != nil {
			return err
		}
	}
	rows := grouped(filled) + " rows"
	if filled == 1 {
		rows = "1 row"
	}
	_, err = fmt.Fprintf(p.stdout, `table events_log: fill column %s: %s

Set PROMOTED_FIELDS=%s
for all workers and commands. Until a worker has it, new events keep the field in extra; once all have it, promote the
field again to fill their rows too.
`, field.Column(), rows, strings.Join(fields, ","))
	return err
}

// applyAndFill brings the warehouse up to its definition and fills a column.
// It returns how many rows that changed.
func applyAndFill(ctx context.Context, cfg *config.Config, fill string) (rows int64, err error) {
	w, err := openWritable(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	plan, err := w.Plan(ctx)
	if err != nil {
		return 0, err
	}
	if err := w.Apply(ctx, plan); err != nil {
		return 0, err
	}
	counts, err := w.Execute(ctx, fill)
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

// printStatements prints the SQL of a plan and of what follows it.
func printStatements(w io.Writer, plan sinks.Plan, fill string) error {
	var b strings.Builder
	for _, change := range plan {
		b.WriteString(strings.TrimRight(change.SQL, "\n") + "\n\n")
	}
	b.WriteString(fill + ";\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}
