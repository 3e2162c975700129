package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A workerSink is a sink that also knows which entities were erased.
type workerSink interface {
	sinks.Sink
	Erased(ctx context.Context) ([]transform.EntityDigest, error)
}

// erasedRefresh is the time between looks at the tombstones: how long a worker
// may go on to write about an entity that was erased.
const erasedRefresh = 5 * time.Minute

// followErased fills the set with the entities that were erased, and keeps it
// up to date until stop is called. It returns once it has read them: nothing
// may be written before, or what was erased could come back. waiting is given
// the cause for which that is not so yet, nil in the end. An error is that of
// ctx.
func followErased(ctx context.Context, sink workerSink, set *transform.Erased, logger *slog.Logger, waiting func(error)) (stop func(), err error) {
	if err := awaitErased(ctx, sink, set, logger, waiting); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var refreshing sync.WaitGroup
	refreshing.Go(func() {
		for ticker := time.Tick(erasedRefresh); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker:
			}
			if list, err := sink.Erased(ctx); err == nil {
				set.Set(list)
			} else if ctx.Err() == nil {
				logger.Warn("tombstones could not be read again: those known so far stay in force", "error", err)
			}
		}
	})
	return func() {
		cancel()
		refreshing.Wait()
	}, nil
}

var errBeingRead = errors.New("the tombstones are being read")

// awaitErased reads the tombstones, as often as it takes: what was erased could
// come back if a worker wrote before it knows of it.
func awaitErased(ctx context.Context, sink workerSink, set *transform.Erased, logger *slog.Logger, waiting func(error)) error {
	waiting(errBeingRead)
	err := await(ctx, logger, "the tombstones", waiting,
		func(error) bool { return true },
		func() error {
			list, err := sink.Erased(ctx)
			if err == nil {
				set.Set(list)
			}
			return err
		})
	if err == nil {
		waiting(nil)
	}
	return err
}
