package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"leadsync/sinks"
)

type schemaCommand struct {
	Print   schemaPrintCommand   `cmd:"" help:"Print the SQL that creates everything; no connection is made."`
	Plan    schemaPlanCommand    `cmd:"" help:"Show what differs in the warehouse and would be changed."`
	Apply   schemaApplyCommand   `cmd:"" help:"Change what differs."`
	Promote schemaPromoteCommand `cmd:"" help:"Give a field of the source a column of its own, and fill it."`
}

type schemaPrintCommand struct {
	Dialect string `help:"bigquery or duckdb; the sink in force if not given." enum:"bigquery,duckdb," default:"" placeholder:"NAME"`
}

// Help describes the command.
func (*schemaPrintCommand) Help() string {
	return `Prints the statements that create the tables and views, in order.

Settings: SINK, GOOGLE_CLOUD_PROJECT, BIGQUERY_DATASET, BIGQUERY_LOCATION, BIGQUERY_REQUIRE_PARTITION_FILTER, SOURCE_TIMEZONE,
PROMOTED_FIELDS.

Example:

    leadsync schema print --dialect bigquery --dataset jing_leads > schema.sql`
}

// Run prints the statements.
func (c *schemaPrintCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if c.Dialect == "" {
		c.Dialect = cfg.Sink
	}
	list, err := statements(ctx, cfg, c.Dialect)
	if err != nil {
		return fmt.Errorf("print schema: %w", err)
	}
	for i, sql := range list {
		if i > 0 {
			sql = "\n" + sql
		}
		if _, err := fmt.Fprintln(p.stdout, strings.TrimRight(sql, "\n")); err != nil {
			return fmt.Errorf("print schema: %w", err)
		}
	}
	return nil
}

type schemaPlanCommand struct {
	SQL bool `name:"sql" help:"Print each change's statement too."`
}

// Help describes the command.
func (*schemaPlanCommand) Help() string {
	return `Compares the tables and views of the warehouse in force with their definitions and prints what schema apply
would change. It changes nothing. Exit status 1 if a difference cannot be mended without losing data, else 0.

Settings: SINK, PROMOTED_FIELDS and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Example:

    leadsync schema plan --sink bigquery --dataset jing_leads --sql`
}

// Run prints the changes.
func (c *schemaPlanCommand) Run(ctx context.Context, p *process) error {
	plan, err := planSchema(ctx, p)
	if err != nil {
		return fmt.Errorf("plan schema: %w", err)
	}
	if err := printPlan(p.stdout, plan, c.SQL); err != nil {
		return fmt.Errorf("plan schema: %w", err)
	}
	if err := plan.Refused(); err != nil {
		return fmt.Errorf("plan schema: %w", err)
	}
	return nil
}

type schemaApplyCommand struct{}

// Help describes the command.
func (*schemaApplyCommand) Help() string {
	return `Creates what is missing in the warehouse in force and brings what differs up to its definition. Columns are only
ever added. If any difference cannot be mended without losing data, nothing is changed and the exit status is 1.
Applying twice is harmless. A worker with the embedded warehouse does this by itself when it starts.

Settings: SINK, PROMOTED_FIELDS and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH.

Example:

    leadsync schema apply --sink bigquery --dataset jing_leads --location asia-east1`
}

// Run applies the changes and prints each.
func (*schemaApplyCommand) Run(ctx context.Context, p *process) error {
	plan, err := planSchema(ctx, p)
	if err == nil {
		err = plan.Refused()
	}
	if err != nil {
		return fmt.Errorf("apply schema: %w", err)
	}
	if len(plan) > 0 {
		cfg, err := p.config()
		if err != nil {
			return err
		}
		if err := applySchema(ctx, cfg); err != nil {
			return fmt.Errorf("apply schema: %w", err)
		}
	}
	if err := printPlan(p.stdout, plan, false); err != nil {
		return fmt.Errorf("apply schema: %w", err)
	}
	return nil
}

// planSchema compares the warehouse in force with its definition.
func planSchema(ctx context.Context, p *process) (plan sinks.Plan, err error) {
	cfg, err := p.config()
	if err != nil {
		return nil, err
	}
	w, err := openSchema(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return w.Plan(ctx)
}

func printPlan(w io.Writer, plan sinks.Plan, withSQL bool) error {
	if len(plan) == 0 {
		_, err := fmt.Fprintln(w, "nothing to change")
		return err
	}
	for _, c := range plan {
		text := c.Object + ": " + c.Action
		if c.Refused != "" {
			text += ": refused: " + c.Refused
		}
		if withSQL && c.SQL != "" {
			text += "\n    " + strings.ReplaceAll(strings.TrimRight(c.SQL, "\n"), "\n", "\n    ")
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}
