package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/internal/faults"
	"leadsync/sinks/duckdb"
)

type selftestCommand struct {
	Faults    bool     `help:"Play the fault table."`
	Short     bool     `help:"Leave out the faults that take long: less than a minute in all."`
	Only      []string `help:"Play the faults whose names match a pattern alone, for example 'pull-*,sigkill'." placeholder:"PATTERN"`
	EverySink bool     `help:"Play them against every warehouse that is built in, not only the one in force."`
	AtOnce    int      `help:"Faults played at a time; 0 suits the machine." default:"0" placeholder:"N"`
	Format    string   `help:"table, json, or markdown: docs/reliability.md." enum:"table,markdown,json" default:"table"`
}

// Help describes the command.
func (*selftestCommand) Help() string {
	return `Plays everything that can go wrong around the worker against the settings in force, offline: the program itself runs
as a process of its own, with these settings, between a Pub/Sub and a warehouse that are made for the occasion on the
loopback interface. Faults are injected, and what was published is compared with what is in the warehouse.

Batch sizes, flow control, zone, promoted fields, field policy and timeouts are yours; project, subscription,
endpoints, file, port and log are the self-test's own. Nothing outside this machine is reached, and nothing of yours
is read but the field policy. A fault that would take too long under a setting of yours replaces it; docs/reliability.md
says which.

How it goes is told on standard error, the result on standard output. Exit status 1 if anything was lost or doubled, or
was not as expected.

Example:

    leadsync selftest --faults --short
    leadsync selftest --faults --only 'append-*' --sink bigquery`
}

// Validate is called once the flags are parsed.
func (c *selftestCommand) Validate() error {
	if !c.Faults {
		return errors.New("selftest plays the fault table against the settings in force, offline: give it --faults; leadsync selftest --help tells more")
	}
	if c.AtOnce < 0 || c.AtOnce > 64 {
		return fmt.Errorf("--at-once %d: want 0 to 64", c.AtOnce)
	}
	return nil
}

// Run plays the faults.
func (c *selftestCommand) Run(ctx context.Context, p *process) error {
	settings, err := c.settings(p)
	if err != nil {
		return err
	}
	done, err := faults.Prepare(ctx, settings)
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	defer func() { _ = done() }() // a folder of temporary files
	cases, err := c.cases(settings)
	if err != nil {
		return err
	}
	return c.play(ctx, p, cases)
}

// play plays cases and prints what came of them.
func (c *selftestCommand) play(ctx context.Context, p *process, cases []faults.Case) error {
	begun, told := time.Now(), 0
	results, err := faults.PlayAll(ctx, cases, c.atOnce(), func(r faults.Result) {
		told++
		fmt.Fprintf(p.stderr, "%3d/%d  %-42s  %s\n", told, len(cases), c.name(&r), judged(&r))
	})
	if err != nil {
		fmt.Fprintln(p.stderr, "interrupted")
		return exitStatus(exitInterrupted)
	}
	if err := c.print(p.stdout, results); err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	failed := slices.DeleteFunc(slices.Clone(results), func(r faults.Result) bool { return r.OK() })
	fmt.Fprintf(p.stderr, "%d faults in %v: %d as they should be, %d not\n",
		len(results), time.Since(begun).Round(100*time.Millisecond), len(results)-len(failed), len(failed))
	for i := range failed {
		for _, why := range failed[i].Problems() {
			fmt.Fprintf(p.stderr, "%s: %s\n", c.name(&failed[i]), why)
		}
	}
	if len(failed) > 0 {
		return exitStatus(exitFailure)
	}
	return nil
}

// cases are the faults to play with the settings for them.
func (c *selftestCommand) cases(settings []faults.Settings) ([]faults.Case, error) {
	var cases []faults.Case
	for _, s := range settings {
		list, err := faults.Choose(faults.For(s.Sink, faults.Table()), c.Only, c.Short)
		if err != nil {
			return nil, fmt.Errorf("--only: %w", err)
		}
		for _, f := range list {
			cases = append(cases, faults.Case{Settings: s, Fault: f})
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("--only %s: there is no fault of such a name", strings.Join(c.Only, ","))
	}
	return cases, nil
}

// atOnce is how many faults are played at a time: most of the time they wait.
func (c *selftestCommand) atOnce() int {
	if c.AtOnce > 0 {
		return c.AtOnce
	}
	return min(8*runtime.GOMAXPROCS(0), 16)
}

// usualEvent is the size of an event, in bytes.
const usualEvent = 1536

// settings returns what the faults are played against: the settings in force,
// once for each warehouse.
func (c *selftestCommand) settings(p *process) ([]faults.Settings, error) {
	cfg, err := p.config()
	if err != nil {
		return nil, err
	}
	warehouses := []string{cfg.Sink}
	if c.EverySink {
		warehouses = []string{config.BigQuery}
		if duckdb.Available {
			warehouses = append(warehouses, config.DuckDB)
		}
	} else if cfg.Sink == config.DuckDB && !duckdb.Available {
		return nil, errors.New("this build has no embedded warehouse: try --sink bigquery")
	}
	options, err := p.transformOptions(cfg)
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	environ := slices.Clone(p.environ)
	for name, value := range p.flags {
		if strings.TrimSpace(value) != "" {
			environ = append(environ, name+"="+value)
		}
	}
	var list []faults.Settings
	for _, w := range warehouses {
		list = append(list, faults.Settings{
			Binary: binary, Environ: environ, Sink: w, Transform: options,
			BatchDelay: cfg.BatchDelay, Shutdown: cfg.ShutdownTimeout,
			Outstanding: min(cfg.MaxMessages, int(cfg.MaxBytes/usualEvent)),
		})
	}
	return list, nil
}
