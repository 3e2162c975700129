package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/sync/pipeline"
	"leadsync/sync/pull"
	"leadsync/transform"
)

type runCommand struct{}

// Help describes the command.
func (*runCommand) Help() string {
	return `Pulls lead events from PUBSUB_SUBSCRIPTION, writes their rows to the warehouse that SINK names, and acknowledges
each message once its rows are durable. Ends on SIGTERM or an interrupt: what is under way is written or given back
within SHUTDOWN_TIMEOUT.

On PORT it answers /healthz (alive), /readyz (messages flow, else the cause) and /metrics (Prometheus).

Streams that bring nothing for WATCHDOG_TIMEOUT are recycled. When messages wait and nothing moves all the same, or none
that it holds is settled for as long although the warehouse takes rows, /healthz fails, so that the platform restarts
the worker, and the log has its goroutines. While the warehouse or Pub/Sub is away it holds, which /readyz tells, and
goes on by itself.

An event that comes again within some minutes of being written is a duplicate at once, as far as the worker remembers
the last DUPLICATE_WINDOW of them. To bring back by a seek what somebody deleted from the warehouse, restart the worker
first, or wait for ten minutes. With DEAD_LETTER_TOPIC dead letters are also published there once they stand in their
table; while that fails their messages are held, and /readyz says so.

Settings: PUBSUB_SUBSCRIPTION (required), GOOGLE_CLOUD_PROJECT, SINK, the BIGQUERY_ or DUCKDB_ settings, BATCH_MAX_ROWS,
BATCH_MAX_BYTES, BATCH_MAX_DELAY, MAX_OUTSTANDING_MESSAGES, MAX_OUTSTANDING_BYTES, DUPLICATE_WINDOW, DEAD_LETTER_TOPIC,
SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE, SHUTDOWN_TIMEOUT, WATCHDOG_TIMEOUT, PORT, LOG_LEVEL, LOG_FORMAT.
CPU_PROFILE_FILE takes a CPU profile.

Example:

    SINK=bigquery GOOGLE_CLOUD_PROJECT=acme leadsync schema apply
    SINK=bigquery GOOGLE_CLOUD_PROJECT=acme PUBSUB_SUBSCRIPTION=lead-events leadsync run`
}

// gcPercent lets the heap grow to four times what is live before it is
// collected: a worker's live heap is some 30 MB of messages under way, so that
// memory is cheap, and the worker's CPU time falls by a twentieth.
const gcPercent = 300

// tuneCollector applies gcPercent, and for the moments in which much more is
// live a soft limit on memory, above which it collects sooner. GOGC and
// GOMEMLIMIT win, and so does a container's lower limit.
func tuneCollector(environ []string, cfg *config.Config) {
	set := func(name string) bool {
		return slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	}
	if !set("GOGC") {
		debug.SetGCPercent(gcPercent)
	}
	soft := 48<<20 + int64(cfg.MaxBytes)/2*3
	if !set("GOMEMLIMIT") && debug.SetMemoryLimit(-1) > soft {
		debug.SetMemoryLimit(soft)
	}
}

// Run works until ctx ends and the drain is over.
func (*runCommand) Run(ctx context.Context, p *process) error {
	cfg, options, err := p.rowSettings("PUBSUB_SUBSCRIPTION")
	if err != nil {
		return err
	}
	logger := p.logger(cfg)
	tuneCollector(p.environ, cfg)
	stopProfile, err := startProfile(cfg.CPUProfile)
	if err != nil {
		return err
	}
	finished := make(chan error, 1)
	go func() { finished <- errors.Join(work(ctx, cfg, options, logger), stopProfile()) }()
	select {
	case err := <-finished:
		return err
	case <-ctx.Done():
	}
	// The drain has its own bounds. Should they fail, the process ends all
	// the same before the platform kills it; what is unacknowledged is
	// delivered again.
	select {
	case err := <-finished:
		return err
	case <-time.After(cfg.ShutdownTimeout):
		return fmt.Errorf("not drained within SHUTDOWN_TIMEOUT %v", cfg.ShutdownTimeout)
	}
}

// work runs the worker with everything it needs.
func work(ctx context.Context, cfg *config.Config, options transform.Options, logger *slog.Logger) (err error) {
	health, metrics := newHealth(), newMetrics()
	server, err := startServer(ctx, cfg.Port, health.routes(metrics.handler()), logger)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, server.shutdown(ctx))
	}()
	starting := errors.New("starting")
	health.addReady("worker", func() error { return starting })

	sink, err := awaitSink(ctx, cfg, logger, metrics, func(cause error) {
		health.addReady("sink", func() error { return cause })
	})
	switch {
	case errors.Is(err, context.Canceled):
		return nil // told to end before it began
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	health.addReady("sink", sink.Ready)
	options.Erased = &transform.Erased{}
	unfollow, err := followErased(ctx, sink, options.Erased, logger, func(cause error) {
		health.addReady("tombstones", func() error { return cause })
	})
	switch {
	case errors.Is(err, context.Canceled):
		return nil // told to end before it began
	case err != nil:
		return err
	}
	defer unfollow()

	// The clients outlive ctx: acknowledgements are sent while draining.
	source, err := pull.Open(context.WithoutCancel(ctx), pull.Config{
		Project:                cfg.Project,
		Subscription:           cfg.Subscription,
		MaxOutstandingMessages: cfg.MaxMessages,
		MaxOutstandingBytes:    int(cfg.MaxBytes),
		Watchdog:               cfg.WatchdogTimeout,
		Logger:                 logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	health.addReady("source", source.Ready)

	letters, shut, err := openLetters(context.WithoutCancel(ctx), cfg, health, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()

	worker := pipeline.New(pipeline.Config{
		Sink:            sink,
		Transform:       options,
		IngestSource:    "pubsub",
		MaxRows:         cfg.BatchRows,
		MaxBytes:        int(cfg.BatchBytes),
		MaxDelay:        cfg.BatchDelay,
		DrainTimeout:    drainTimeout(cfg.ShutdownTimeout),
		DuplicateWindow: cfg.DuplicateWindow,
		Letters:         letters,
		WorkerID:        workerID(),
		WorkerVersion:   thisBuild().version,
		Logger:          logger,
		Observer:        metrics,
	})
	metrics.outstanding(worker.Outstanding)
	metrics.recycles(source.Recycles)
	health.addReady("worker", func() error { return nil })
	unwatch := watch(ctx, health, &watchdog{
		timeout: cfg.WatchdogTimeout, outstanding: worker.Outstanding, settled: worker.Settled,
		held: health.held, source: source.Alive, logger: logger,
	})
	defer unwatch()
	stop := context.AfterFunc(ctx, health.drain)
	defer stop()
	logger.Info("worker started", "version", thisBuild().version, "sink", cfg.Sink, "subscription", cfg.Subscription,
		"field_policy", cfg.PolicyFile, "listen", server.addr)
	if err := worker.Run(ctx, source); err != nil {
		return err
	}
	logger.Info("worker ended", "outstanding", worker.Outstanding())
	return nil
}

// drainTimeout leaves a part of the shutdown for what follows the last write:
// acknowledgements leave on a ticker, and connections are closed.
func drainTimeout(shutdown time.Duration) time.Duration {
	return shutdown - min(shutdown/4, 1500*time.Millisecond)
}

// workerID names this process in the ledger.
func workerID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return host + "-" + hex.EncodeToString(b[:])
}

// startProfile writes a CPU profile to the file until the function it returns
// is called. No path: no profile.
func startProfile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create CPU_PROFILE_FILE: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("start CPU profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			return fmt.Errorf("close CPU_PROFILE_FILE: %w", err)
		}
		return nil
	}, nil
}
