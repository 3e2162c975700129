package main

import (
	"context"
	"errors"
	"fmt"
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

// awaitErased reads the tombstones, as often as it takes.
func awaitErased(ctx context.Context, sink workerSink, set *transform.Erased, logger *slog.Logger, waiting func(error)) error {
	waiting(errBeingRead)
	var told string
	for {
		list, err := sink.Erased(ctx)
		if err == nil {
			set.Set(list)
			waiting(nil)
			if told != "" {
				logger.Info("the tombstones were read")
			}
			return nil
		}
		if ctx.Err() == nil {
			waiting(err)
			if err.Error() != told {
				told = err.Error()
				logger.Warn("the worker waits: it must know who was erased before it writes", "error", told)
			}
		}
		select {
		case <-time.After(awaitPause):
		case <-ctx.Done():
			return fmt.Errorf("%w while %w", ctx.Err(), err)
		}
	}
}
