package bigquery

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"leadsync/sinks"
	"leadsync/transform"
)

// PendingStreams returns a loader that stages rows in streams of type PENDING,
// one for each table and load, and commits them table by table: needs neither
// a bucket nor a job, and no more permissions than the sink has.
//
// Within a load every row is staged once, whatever fails, because each append
// names its offset in the stream. A load's id is used in logs only: the
// service keeps no name of ours for what was committed. So a load whose commit
// may have gone through, and that is begun again, writes its rows again; the
// views show one of them.
//
// A load that is closed without a commit leaves its streams to the service,
// which lets them expire: they cannot be deleted.
//
// The loader's loads must be closed before the sink is.
func (s *Sink) PendingStreams() sinks.Loader { return pendingLoader{s} }

type pendingLoader struct{ sink *Sink }

var loadID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// Begin implements [sinks.Loader]. It asks nothing of the service.
func (p pendingLoader) Begin(_ context.Context, id string) (sinks.Load, error) {
	if !loadID.MatchString(id) {
		return nil, fmt.Errorf("begin load %q: an id has 1 to 64 letters, digits, - and _", id)
	}
	load := &pendingLoad{id: id}
	for i, a := range p.sink.appenders {
		load.lanes[i] = newLane(a, id)
	}
	return load, nil
}

// Close implements [sinks.Loader]. There is nothing to release.
func (p pendingLoader) Close() error { return nil }

// A pendingLoad is a load of a [Sink.PendingStreams].
type pendingLoad struct {
	id    string
	lanes [transform.NumTables]*lane

	mu    sync.Mutex
	ended bool // by Commit or Close: no more rows
}

var _ sinks.Load = (*pendingLoad)(nil)

// Write implements [sinks.Sink] by staging the rows.
func (p *pendingLoad) Write(ctx context.Context, rows *transform.Rows) error {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if ended {
		return fmt.Errorf("write to load %s: it was committed or closed", p.id)
	}
	return byTable(rows, func(id transform.TableID) (sinks.RowErrors, error) {
		return p.lanes[id].append(ctx, rows)
	})
}

// Ready implements [sinks.Sink], also while the load is being committed.
func (p *pendingLoad) Ready() error {
	var errs [transform.NumTables]error
	for i, l := range p.lanes {
		errs[i] = l.ready()
	}
	return errors.Join(errs[:]...)
}

// Close implements [sinks.Sink]. What was not committed never will be.
func (p *pendingLoad) Close() error {
	p.end()
	return nil
}

// end stops all lanes and reports whether it is the first to do so.
func (p *pendingLoad) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.ended
	p.ended = true
	for _, l := range p.lanes {
		l.halt()
	}
	return first
}

// Commit implements [sinks.Load]. A stream that the service no longer has, or
// that does not hold what was sent, ends it at once: its rows must be written
// again by another load.
func (p *pendingLoad) Commit(ctx context.Context) error {
	if !p.end() {
		return fmt.Errorf("commit load %s: it was committed or closed", p.id)
	}
	// All streams are final before the first is committed, so that a table
	// with lost rows is known before another has its own.
	var errs [transform.NumTables]error
	var wg sync.WaitGroup
	for i, l := range p.lanes {
		wg.Go(func() { errs[i] = l.finish(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("commit load %s: %w", p.id, err)
	}
	for _, id := range commitOrder() {
		if err := p.lanes[id].commit(ctx); err != nil {
			return fmt.Errorf("commit load %s: %w", p.id, err)
		}
	}
	return nil
}

// commitOrder returns all tables, those last that tell what became of the
// others' rows: they must not tell of what did not happen.
func commitOrder() []transform.TableID {
	var first []transform.TableID
	for i := range transform.NumTables {
		if id := transform.TableID(i); id != transform.SyncBatches && id != transform.BackfillCheckpoints {
			first = append(first, id)
		}
	}
	return append(first, transform.SyncBatches, transform.BackfillCheckpoints)
}
