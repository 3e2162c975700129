package bigquery

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/bigquery/storage/managedwriter"

	"leadsync/sinks"
	"leadsync/transform"
)

// A write is the rows of one table in one [Sink.Write] on their way: rounds of
// requests, each round made of what the one before left over.
type write struct {
	*appender
	pending []request
	refused sinks.RowErrors

	held    bool // counted by health
	checked bool // the table was seen to fit its definition

	// Of the round that is going on: what failed in a way that may pass, if
	// anything, and whether something was written.
	class    sinks.Class
	cause    error
	progress bool
	try      int // rounds of this class in a row that brought nothing
}

// append makes the table's rows durable. The error is nil or says why that had
// not come about when ctx ended.
func (a *appender) append(ctx context.Context, rows *transform.Rows) (sinks.RowErrors, error) {
	w := &write{appender: a}
	return w.finish(ctx, rows, func(ctx context.Context) error {
		w.round(ctx)
		return nil
	})
}

// finish goes round after round until every row is written or refused. An
// error of round ends it at once.
func (w *write) finish(ctx context.Context, rows *transform.Rows, round func(context.Context) error) (sinks.RowErrors, error) {
	w.pending, w.refused = split(rows, w.table.ID)
	defer w.end()
	for len(w.pending) > 0 {
		before := w.class
		if err := round(ctx); err != nil {
			return nil, err
		}
		if len(w.pending) == 0 {
			break
		}
		if ctx.Err() != nil {
			return nil, w.gaveUp(ctx)
		}
		if w.class == "" {
			continue // only bad rows were in the way
		}
		if w.progress || w.class != before {
			w.try = 0
		}
		sleep(ctx, w.config.pacing.of(w.class).pause(w.try))
		w.try++
	}
	return w.refused, nil
}

func (w *write) end() {
	if w.held {
		w.health.leave()
	}
}

func (w *write) gaveUp(ctx context.Context) error {
	if w.cause == nil {
		return fmt.Errorf("append to %s: %w", w.table.Name, context.Cause(ctx))
	}
	return fmt.Errorf("append to %s: %w after %w", w.table.Name, context.Cause(ctx), w.cause)
}

// A flight is a request under way.
type flight struct {
	request
	begun  time.Time
	stream *stream
	result *managedwriter.AppendResult
	err    error // of a request that could not be sent
}

// round sends all pending requests, one after the other without waiting for
// answers, then gathers the answers. What is left over becomes pending again.
func (w *write) round(ctx context.Context) {
	todo := w.pending
	w.pending, w.class, w.progress = nil, "", false
	var under []flight
	for len(todo) > 0 && ctx.Err() == nil {
		if !w.trySlot() {
			// Never wait for a place while holding one.
			if len(under) > 0 {
				w.settle(ctx, under[0])
				under = under[1:]
				continue
			}
			if w.slot(ctx) != nil {
				break
			}
		}
		f := w.send(ctx, todo[0])
		todo = todo[1:]
		if f.err != nil || f.alone {
			w.settle(ctx, f)
			if f.err != nil {
				break // the others would fare no better
			}
			continue
		}
		under = append(under, f)
	}
	for _, f := range under {
		w.settle(ctx, f)
	}
	w.pending = append(w.pending, todo...)
}

func (w *write) send(ctx context.Context, r request) flight {
	if r.failed != "" {
		w.config.Observer.Retried(w.table.ID, r.failed)
	}
	f := flight{request: r}
	if r.alone {
		f.stream, f.err = w.openAlone(ctx)
	} else {
		f.stream, f.err = w.acquire(ctx)
	}
	f.begun = time.Now()
	if f.err == nil {
		f.result, f.err = f.stream.append(ctx, r.rows, w.config.AppendTimeout)
	}
	return f
}
