package main

import (
	"context"
	"fmt"
	"time"
)

type doctorCommand struct {
	Format  string        `short:"f" help:"table, or json (an object a line)." enum:"table,json" default:"table"`
	Timeout time.Duration `help:"How long one check may take." default:"30s" placeholder:"TIME"`
}

// Help describes the command.
func (*doctorCommand) Help() string {
	return `Tells whether leadsync run would work here: settings, clock, credentials, the subscription and what keeps its messages
safe, the warehouse, its tables and the right to write them. It prints a line a check - ok, warning, FAIL or skipped -
and how to mend what is not ok. It changes nothing, writes no row and pulls no message; a worker may run meanwhile. Where
BACKFILL_STAGING is set it puts an empty object there and deletes it.

The exit status is the number of failures, at most 100; warnings do not count. With nothing set up there is one: run
needs PUBSUB_SUBSCRIPTION.

Settings: all of leadsync run.

Example:

    leadsync doctor --sink bigquery --project acme --subscription lead-events`
}

// Validate is called once the flags are parsed.
func (c *doctorCommand) Validate() error {
	if c.Timeout <= 0 {
		return fmt.Errorf("--timeout=%v: want more than 0s", c.Timeout)
	}
	return nil
}

// maxFailures is the highest exit status that tells a number of failures.
const maxFailures = 100

// Run runs the checks and prints what they found.
func (c *doctorCommand) Run(ctx context.Context, p *process) error {
	d := &doctor{process: p, ward: newWard()}
	d.enlist()
	d.ward.start(ctx, c.Timeout)
	defer d.close()
	report := findingPrinter{w: p.stdout, json: c.Format == "json"}
	count := map[verdict]int{}
	for f := range d.ward.findings() {
		count[f.Verdict]++
		if err := report.add(f); err != nil {
			return fmt.Errorf("print findings: %w", err)
		}
	}
	if err := report.end(); err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	fmt.Fprintf(p.stderr, "%s, %s, %d ok, %d skipped\n", plural(count[failed], "failure"), plural(count[warned], "warning"),
		count[fine], count[skipped])
	return failures(count[failed])
}

// failures is how a command ends that found so many. Above the highest status
// that says so it stays at it: a shell would take 256 for success.
func failures(n int) error {
	if n == 0 {
		return nil
	}
	return exitStatus(min(n, maxFailures))
}
