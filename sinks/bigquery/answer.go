package bigquery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"

	"leadsync/sinks"
)

// settle waits for the answer to a request and acts on it.
func (w *write) settle(ctx context.Context, f flight) {
	answer, err := w.await(ctx, &f, nil)
	w.freeSlot()
	retire := false
	switch {
	case err == nil && len(answer.GetRowErrors()) == 0:
		w.config.Observer.Appended(w.table.ID, len(f.rows), f.bytes, time.Since(f.begun))
		w.health.succeeded()
		w.progress = true
		if f.search != nil {
			w.answered(f.search, true, f.alone)
		}
	case ctx.Err() != nil:
		// Nothing is known of what is under way, and the next write must not
		// queue behind it.
		w.pending = append(w.pending, f.request)
		retire = true
	default:
		retire = w.recover(ctx, f, answer, err)
	}
	if f.stream != nil {
		w.release(f.stream, retire)
	}
}

// errNews ends a wait because something else has come up.
var errNews = errors.New("there is something else to do")

// await returns the answer, an error, or both; errNews if there is none yet
// when news has something.
func (w *write) await(ctx context.Context, f *flight, news <-chan struct{}) (*storagepb.AppendRowsResponse, error) {
	if f.err != nil {
		return nil, f.err
	}
	err := w.wait(ctx, f, news)
	select {
	case <-f.result.Ready(): // perhaps in the same moment as an error
		return f.result.FullResponse(context.WithoutCancel(ctx))
	default:
		return nil, err
	}
}

// wait returns nil once there is an answer, or why it is no longer waited for.
func (w *write) wait(ctx context.Context, f *flight, news <-chan struct{}) error {
	select {
	case <-f.result.Ready():
		return nil
	default:
	}
	patience := w.config.pacing.patience
	slow := time.NewTimer(patience - time.Since(f.begun))
	defer slow.Stop()
	late := time.NewTimer(w.config.AppendTimeout - time.Since(f.begun))
	defer late.Stop()
	for {
		select {
		case <-f.result.Ready():
			return nil
		case <-slow.C:
			w.hold(sinks.Transient, fmt.Errorf("append has no answer after %v", patience), f.begun)
		case <-late.C:
			f.stream.kill() // whoever else waits on it waits in vain, too
			return fmt.Errorf("append has no answer after %v", w.config.AppendTimeout)
		case <-news:
			return errNews
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// class says what a failed request calls for.
func (f *flight) class(answer *storagepb.AppendRowsResponse, err error) sinks.Class {
	class := sinks.Data
	if err != nil && (len(answer.GetRowErrors()) == 0 || storageCode(err) != 0) {
		class = classify(err)
	}
	if class == sinks.Data && f.result == nil {
		return sinks.Setup // no row was looked at, so none can be to blame
	}
	return class
}

// recover puts what is left of a failed request into the next round. It
// reports whether the stream is of no more use.
func (w *write) recover(ctx context.Context, f flight, answer *storagepb.AppendRowsResponse, err error) (retire bool) {
	broken := answer == nil // the connection ended, not just this request
	class := f.class(answer, err)
	if class == sinks.Data {
		if err = w.check(ctx); err == nil {
			w.setAside(f.request, answer)
			return broken
		}
		class = classifyCheck(err)
	}
	w.retry(f, class, err)
	return broken || class == sinks.Setup || class == sinks.Transient && w.try >= 2
}

// retry puts a request into the next round that did not fail for its rows.
func (w *write) retry(f flight, class sinks.Class, err error) {
	w.checked = false
	w.again(f.request, class)
	w.class, w.cause = class, public(err)
	w.hold(class, w.cause, f.begun)
}

func (w *write) again(r request, why sinks.Class) {
	r.failed = why
	w.pending = append(w.pending, r)
}

func (w *write) hold(class sinks.Class, cause error, since time.Time) {
	if !w.held {
		w.held = true
		w.health.hold()
	}
	w.health.failed(class, cause, since)
}
