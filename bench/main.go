// Bench measures the whole worker: it builds leadsync, runs it as a process of
// its own against a Pub/Sub and a BigQuery that do as little as such servers
// can, lets it work off a backlog of lead events that are all different, and
// prints events per second, CPU seconds per 100,000 events and peak memory.
// It also counts: every event must be acknowledged once, have one row, and be
// accounted for in the ledger.
//
//	go run ./bench
//	go run ./bench -runs 5 -events 500000
//	go run ./bench -cpuprofile worker.pprof
//
// The environment reaches the worker, so that settings can be compared:
//
//	BATCH_MAX_ROWS=1000 go run ./bench
//
// CPU time and memory are those of the worker alone, its start and its end
// included. Events per second are limited by the two servers as well, which
// share the machine: compare them on the same machine only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are the flags.
type options struct {
	events  int
	size    int
	runs    int
	seed    uint64
	profile string
	timeout time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.events, "events", 200_000, "events of a run")
	flag.IntVar(&o.size, "size", 1500, "size of an event in bytes, at least 1200")
	flag.IntVar(&o.runs, "runs", 1, "runs, each with a new worker")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the events")
	flag.StringVar(&o.profile, "cpuprofile", "", "`file` for the CPU profile of the last run's worker, whose top is printed")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "time for one run")
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	var errs []error
	if flag.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	}
	if o.events < 1 || o.runs < 1 {
		errs = append(errs, errors.New("-events and -runs must be at least 1"))
	}
	if o.size < 1200 {
		errs = append(errs, errors.New("-size must be at least 1200: the fields every event has take that"))
	}
	return errors.Join(errs...)
}

func bench(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "leadsync-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := buildWorker(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%d events of %d bytes a run\n", o.events, o.size)
	var all []Figures
	for i := range o.runs {
		f, err := run(ctx, w, o)
		if err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
		fmt.Printf("\n%v", f)
		all = append(all, f)
	}
	if o.runs > 1 {
		fmt.Printf("\nmedian of each figure:\n%v", median(all))
	}
	if o.profile != "" {
		return printProfile(ctx, w.binary, o.profile)
	}
	return nil
}

// run measures one worker from its start to its end.
func run(ctx context.Context, w *worker, o options) (f Figures, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %v", o.timeout))
	defer cancel()
	events := NewEvents(o.seed, o.size, time.Now())
	servers, err := startServers(ctx, o.events, events.Payload)
	if err != nil {
		return f, err
	}
	defer servers.stop()
	if err := w.command(ctx, servers.environ(), "schema", "apply").Run(); err != nil {
		return f, w.failed("schema apply", err)
	}
	p, err := w.start(ctx, append(servers.environ(), "CPU_PROFILE_FILE="+o.profile))
	if err != nil {
		return f, err
	}
	select {
	case <-servers.subscription.Done():
	case <-p.exited:
	case <-ctx.Done():
	}
	usage, err := p.stop()
	messages, stored := pulled(servers.subscription), servers.warehouse.Stored()
	err = errors.Join(context.Cause(ctx), err, messages.Err(), stored.Err(o.events))
	if err != nil {
		return f, w.failed("run", err)
	}
	return Figures{Pulled: messages, Stored: stored, Usage: usage}, nil
}
