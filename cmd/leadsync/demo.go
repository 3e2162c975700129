package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"leadsync/sinks/duckdb"
	"leadsync/sync/pipeline"
	"leadsync/sync/pull"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

type demoCommand struct {
	Events int       `default:"2000" help:"Distinct events to simulate, 1 to 100000. Copies and poison come on top."`
	Seed   uint64    `default:"1" help:"Which of many tenants to simulate."`
	Day    time.Time `format:"2006-01-02" placeholder:"YYYY-MM-DD" help:"Day at whose beginning, UTC, the simulated 90 days end. Today if not given."`
	Keep   bool      `help:"Keep the database: leadsync-demo.duckdb in the working directory."`
}

// Help describes the command.
func (*demoCommand) Help() string {
	return `Shows everything at work with nothing set up: a Pub/Sub in this process, a simulated tenant that publishes lead
events to it, the worker that pulls from it, and the embedded warehouse. It reads no settings and reaches for nothing
outside this machine.

How it goes is told on standard error. The report on standard output is read from the warehouse's views: one lead's
story, the ledger, compared with what was sent, and at the end three views as analysts read them. It is the same for
the same events, seed and day. Exit status 1 if the ledger does not agree.

Example:

    leadsync demo --events 5000 --seed 7 --keep`
}

// Run runs the demo.
func (c *demoCommand) Run(ctx context.Context, p *process) error {
	err := c.show(ctx, p.stdout, p.stderr, isTerminal(p.stderr))
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(p.stderr, "interrupted")
		return exitStatus(exitInterrupted)
	case err != nil:
		return fmt.Errorf("demo: %w", err)
	default:
		return nil
	}
}

// exitInterrupted is what shells expect of a program that ctrl-C ended.
const exitInterrupted = 130

// Validate is called once the flags are parsed.
func (c *demoCommand) Validate() error {
	if c.Events < 1 || c.Events > 100_000 {
		return fmt.Errorf("--events %d: want 1 to 100000", c.Events)
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	if c.Day.IsZero() {
		c.Day = today
	}
	if c.Day.After(today) || c.Day.Before(today.AddDate(-9, 0, 0)) { // older events are dead letters
		return fmt.Errorf("--day %s: want one of the last nine years", c.Day.Format(time.DateOnly))
	}
	return nil
}

// show runs the demo: the report goes to out, how it is going to progress.
func (c *demoCommand) show(ctx context.Context, out, progress io.Writer, terminal bool) (err error) {
	path, err := c.database()
	if err != nil {
		return err
	}
	counts := &demoCounts{}
	db, err := duckdb.Open(ctx, duckdb.Config{
		Path: path, Observer: counts, Logger: slog.New(slog.NewTextHandler(progress, nil)),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ps, err := startDemoPubSub(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ps.close()) }()

	tenant := c.tenant()
	fmt.Fprintf(progress, "a simulated tenant publishes %s events, copies and poison on top, to a pub/sub in this process; the worker writes to %s\n",
		grouped(int64(c.Events)), path)
	if err := c.carry(ctx, ps, db, tenant, counts, func(ctx context.Context) error {
		return counts.watch(ctx, progress, terminal)
	}); err != nil {
		return err
	}

	redelivered := ps.deliveries() - counts.published.Load() - counts.outcomes[pipeline.GivenBack].Load()
	report := &demoReport{warehouse: db, w: out}
	if err := report.print(ctx, c, tenant.Truth(), redelivered); err != nil {
		return err
	}
	c.invite(out, path)
	return nil
}

func (c *demoCommand) tenant() *simulate.Tenant {
	return simulate.New(simulate.Options{Seed: c.Seed, Events: c.Events, Now: c.Day})
}

// carry publishes all that the tenant has to tell and runs the worker until
// every message is durable.
func (c *demoCommand) carry(ctx context.Context, ps *demoPubSub, db *duckdb.DB, tenant *simulate.Tenant, counts *demoCounts, watch func(context.Context) error) (err error) {
	source, err := pull.Open(ctx, pull.Config{
		Project:                demoProject,
		Subscription:           demoSubscription,
		MaxOutstandingMessages: 2 * demoAhead,
		MaxOutstandingBytes:    64 << 20,
		Streams:                demoStreams,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	worker := pipeline.New(pipeline.Config{
		Sink:          db,
		IngestSource:  "pubsub",
		Transform:     transform.Options{},
		WorkerID:      "demo",
		WorkerVersion: "demo",
		Observer:      counts,
	})
	group, ctx := errgroup.WithContext(ctx)
	running, finish := context.WithCancel(ctx)
	defer finish()
	group.Go(func() error { return worker.Run(running, source) })
	group.Go(func() error { return ps.publish(ctx, tenant, counts) })
	group.Go(func() error {
		defer finish()
		return watch(ctx)
	})
	return group.Wait()
}
