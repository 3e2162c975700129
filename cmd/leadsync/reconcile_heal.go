package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"leadsync/config"
	"leadsync/sync/pipeline"
	"leadsync/sync/records"
	"leadsync/transform"
)

// defaultWindow is how many events of an export are compared at once unless
// told otherwise: some 150 bytes each.
const defaultWindow = 500_000

// compareExport compares exported events with the warehouse, heals it if that
// was asked for, and reports whether they agree in the end.
func (c *reconcileCommand) compareExport(ctx context.Context, p *process, cfg *config.Config, days dayRange) (agree bool, err error) {
	options, err := p.transformOptions(cfg)
	if err != nil {
		return false, err
	}
	x := &export{files: c.Export, stdin: p.stdin, days: days, now: time.Now(), options: options}
	if x.spool, err = newSpool(); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, x.spool.Close()) }()

	found, err := c.compareOnce(ctx, cfg, x)
	if err != nil {
		return false, err
	}
	if err := found.print(p.stdout, warehouseName(cfg)); err != nil {
		return false, fmt.Errorf("print: %w", err)
	}
	if !c.Heal || found.healable() == 0 {
		return found.agrees(), nil
	}
	healed, err := x.heal(ctx, cfg, found, p.logger(cfg))
	if err != nil {
		return false, fmt.Errorf("heal: %w\nrun it again to finish", err)
	}
	fmt.Fprintf(p.stdout, "\nhealed: %s\n\n", healed)
	if found, err = c.compareOnce(ctx, cfg, x); err != nil {
		return false, err
	}
	if err := found.print(p.stdout, warehouseName(cfg)); err != nil {
		return false, fmt.Errorf("print: %w", err)
	}
	return found.agrees(), nil
}

// compareOnce opens the warehouse for as long as the comparison takes. The
// export is read when that has not been done.
func (c *reconcileCommand) compareOnce(ctx context.Context, cfg *config.Config, x *export) (found *comparison, err error) {
	w, err := openWarehouse(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := &lookup{warehouse: w, dialect: dialectOf(cfg)}
	if x.bases == nil {
		if x.options.Erased, err = l.tombstones(ctx); err != nil {
			return nil, l.behind(ctx, err)
		}
		x.transformer = transform.New(x.options)
		if err := x.read(ctx); err != nil {
			return nil, err
		}
	}
	found = &comparison{export: x, lookup: l, limit: defaultWindow, examples: c.IDs, partial: c.Partial}
	if c.window > 0 {
		found.limit = int64(c.window)
	}
	return found, l.behind(ctx, found.compare(ctx))
}

// heal writes the events that are missing or incomplete, as the worker would.
// It returns how many messages had which outcome.
func (x *export) heal(ctx context.Context, cfg *config.Config, found *comparison, logger *slog.Logger) (_ string, err error) {
	sink, err := openSink(ctx, cfg, logger, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	unfollow, err := followErased(ctx, sink, x.options.Erased, logger, func(error) {})
	if err != nil {
		return "", err
	}
	defer unfollow()
	healer := &healer{export: x, found: found}
	worker := pipeline.New(pipeline.Config{
		Sink: sink, Transform: x.options, IngestSource: "backfill",
		MaxRows: cfg.BatchRows, MaxBytes: int(cfg.BatchBytes), MaxDelay: cfg.BatchDelay,
		WorkerID: workerID(), WorkerVersion: thisBuild().version, Logger: logger,
	})
	if err := worker.Run(ctx, healer); err != nil {
		return "", err
	}
	if n := healer.outcomes[pipeline.GivenBack]; n > 0 {
		return "", fmt.Errorf("%s not written", count(n, "event was", "events were"))
	}
	counts := make(map[string]int)
	for _, o := range pipeline.Outcomes {
		if n := healer.outcomes[o]; n > 0 {
			counts[o.String()] = int(n)
		}
	}
	return listed(counts), nil
}

// A healer is the source of the events that the warehouse lacks.
type healer struct {
	export *export
	found  *comparison

	msgs  []*pipeline.Message
	bytes int

	mu       sync.Mutex
	outcomes [len(pipeline.Outcomes)]int64
	settled  sync.WaitGroup
}

// Messages are handed over so many at a time, or so many bytes.
const (
	healedAtOnce = 500
	healedBytes  = 4 << 20
)

// Run implements [pipeline.Source].
func (h *healer) Run(ctx context.Context, submit pipeline.Submit) error {
	defer h.settled.Wait()
	ordinal := int64(-1)
	for _, name := range h.export.files {
		err := eachRecord(ctx, nil, name, func(r records.Record) error {
			if ordinal++; ordinal >= h.export.records || !h.found.absent.has(ordinal) && !h.found.lacking.has(ordinal) {
				return nil
			}
			h.msgs = append(h.msgs, &pipeline.Message{Data: bytes.Clone(r.Data)})
			if h.bytes += len(r.Data); h.bytes < healedBytes && len(h.msgs) < healedAtOnce {
				return nil
			}
			return h.submit(ctx, submit)
		})
		if err != nil {
			return err
		}
	}
	return h.submit(ctx, submit)
}

func (h *healer) submit(ctx context.Context, submit pipeline.Submit) error {
	h.settled.Add(len(h.msgs))
	err := submit(ctx, h.msgs, h)
	h.msgs, h.bytes = nil, 0
	return err
}

// Settle implements [pipeline.Settler].
func (h *healer) Settle(msgs []*pipeline.Message) {
	h.mu.Lock()
	for _, m := range msgs {
		h.outcomes[m.Outcome]++
	}
	h.mu.Unlock()
	h.settled.Add(-len(msgs))
}
