package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sync/pipeline"
	"leadsync/sync/replay"
	"leadsync/transform"
)

// replayDelay ends a batch of a replay: its letters are all there at once.
const replayDelay = 10 * time.Millisecond

// replayLetters opens the sink in force and replays the letters of the pages.
func replayLetters(ctx context.Context, cfg *config.Config, options transform.Options, logger *slog.Logger,
	pages func(context.Context, *lookup) (*letterPages, error), tally *replayTally,
) (err error) {
	sink, err := openSink(ctx, cfg, logger, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	warehouse, own := sink.(sinks.Warehouse) // the embedded one is both, and is opened once
	if !own {
		if warehouse, err = openWarehouse(ctx, cfg); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, warehouse.Close()) }()
	}
	l := &lookup{warehouse: warehouse, dialect: dialectOf(cfg), zone: cfg.Zone}
	list, err := pages(ctx, l)
	if err != nil {
		return l.explained(ctx, err)
	}
	options.Erased = &transform.Erased{}
	r := &replayRun{lookup: l, pages: list, sink: sink, erased: options.Erased}
	source := replay.NewSource(replay.Config{
		Next: r.next, Record: sink.Write, Tell: tally.add, Transform: options, WorkerVersion: thisBuild().version,
	})
	worker := pipeline.New(pipeline.Config{
		Sink: sink, Transform: options, IngestSource: replay.IngestSource,
		MaxRows: cfg.BatchRows, MaxBytes: int(cfg.BatchBytes), MaxDelay: replayDelay, DrainTimeout: drainTimeout(cfg.ShutdownTimeout),
		WorkerID: workerID(), WorkerVersion: thisBuild().version,
	})
	err = worker.Run(ctx, source)
	tally.guarded = list.guarded
	return err
}

// A replayRun reads the letters of a replay.
type replayRun struct {
	lookup    *lookup
	pages     *letterPages
	sink      workerSink
	erased    *transform.Erased
	erasedFor time.Time // until when the set of the erased is good
}

// next returns the next letters with their payloads. What was erased meanwhile
// is known before.
func (r *replayRun) next(ctx context.Context) ([]*replay.Letter, error) {
	letters, err := r.pages.next(ctx)
	if err != nil {
		return nil, r.lookup.explained(ctx, err)
	}
	if err := r.lookup.fetch(ctx, letters); err != nil {
		return nil, err
	}
	if now := time.Now(); now.After(r.erasedFor) {
		list, err := r.sink.Erased(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the tombstones: %w", err)
		}
		r.erased.Set(list)
		r.erasedFor = now.Add(erasedRefresh)
	}
	out := make([]*replay.Letter, len(letters))
	for i, letter := range letters {
		out[i] = &letter.Letter
	}
	return out, nil
}
