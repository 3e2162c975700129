package backfill

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"leadsync/sinks"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// A source is the [pipeline.Source] of some units: readers cut them into
// blocks, splitters make messages of the blocks and hand them over.
type source struct {
	plan *Plan
	jobs []*job
	keep func(*piece) // takes the pieces that are settled

	flights chan *flight
	budget  *budget
	limit   *rate.Limiter // nil: there is none
	pool    sync.Pool
	aloft   sync.WaitGroup // flights that have not landed
	fail    context.CancelCauseFunc

	outcomes [len(pipeline.Outcomes)]atomic.Int64
	bytes    atomic.Int64 // of settled pieces
	skipped  atomic.Int64 // pieces found to be done while they were read

	mu     sync.Mutex
	faults []fault
	unsure bool // a store failed: the next time more may come
}

// A fault is where a unit could not be read on.
type fault struct {
	*FileError
	through *counted
}

// errGivenBack ends a source: what was given back it must bring again, which
// the next run does.
var errGivenBack = errors.New("not everything could be written")

func newSource(p *Plan, jobs []*job, keep func(*piece)) *source {
	s := &source{plan: p, jobs: jobs, keep: keep, flights: make(chan *flight)}
	s.pool.New = func() any { return &flight{source: s} }
	// As much as the pipeline's open batches and those in flight are made of,
	// and as much again that waits.
	c := &p.cfg.Pipeline
	s.budget = newBudget(2 * int64(c.InFlight+runtime.GOMAXPROCS(0)) * int64(c.MaxBytes))
	if p.cfg.Rate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(p.cfg.Rate), max(1, int(min(p.cfg.Rate/10, 1000))))
	}
	return s
}

// carry runs the source through a pipeline of its own to the sink.
func (s *source) carry(ctx context.Context, sink sinks.Sink, workerID string) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.fail = cancel
	cfg := s.plan.cfg.Pipeline
	witness := &witness{Sink: sink}
	cfg.Sink, cfg.WorkerID = witness, workerID
	err := pipeline.New(cfg).Run(within, s)
	switch cause := context.Cause(within); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(cause, errGivenBack):
		return fmt.Errorf("%w: %w", cause, witness.cause())
	case cause != nil:
		return cause
	}
	return err
}

// Run implements [pipeline.Source].
func (s *source) Run(ctx context.Context, submit pipeline.Submit) error {
	var readers, splitters sync.WaitGroup
	for range runtime.GOMAXPROCS(0) + 1 {
		splitters.Go(func() {
			for f := range s.flights {
				s.handOver(ctx, f, submit)
			}
		})
	}
	readers.Go(func() {
		each(ctx, maxReaders(), len(s.jobs), func(i int) { s.read(ctx, s.jobs[i]) })
	})
	readers.Wait()
	close(s.flights)
	splitters.Wait()
	s.aloft.Wait()
	return nil
}

// maxReaders is how many units are read at once: finding blocks costs little,
// waiting for a store may cost more.
func maxReaders() int { return min(4, runtime.GOMAXPROCS(0)) }

// settled counts the outcomes of messages.
func (s *source) settled(p *piece, n *[len(pipeline.Outcomes)]int64) {
	if n[pipeline.GivenBack] > 0 {
		p.broken.Store(true)
		s.fail(errGivenBack)
	}
	for o := range n {
		if n[o] > 0 {
			p.outcomes[o].Add(n[o])
			s.outcomes[o].Add(n[o])
			s.plan.progress.outcomes[o].Add(n[o])
		}
	}
}

// landed takes a flight back.
func (s *source) landed(f *flight) {
	if f.block != nil {
		f.block.Release()
	}
	s.budget.give(f.size)
	f.piece.leave()
	f.reset()
	s.pool.Put(f)
	s.aloft.Done()
}

// fault takes note that a unit could not be read on.
func (s *source) fault(r *reading, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{&FileError{Location: r.file.Location, Offset: r.pos, From: r.counts, Err: err}, r.counted})
	if store := (*storeError)(nil); errors.As(err, &store) {
		s.unsure = true
	}
}

// failures returns an error for each unit that could not be read on. It waits
// for nothing: call it when every flight has landed.
func (s *source) failures() []error {
	var list []error
	for _, f := range s.faults {
		select {
		case <-f.through.known:
			f.Record = f.through.n
		default:
		}
		list = append(list, f.FileError)
	}
	return list
}

// durable takes a piece all of whose records are durable.
func (s *source) durable(p *piece) {
	s.plan.progress.pieces.Add(1)
	s.bytes.Add(p.end - p.start)
	s.keep(p)
}

// A witness remembers why a sink could not write.
type witness struct {
	sinks.Sink

	mu  sync.Mutex
	err error
}

func (w *witness) Write(ctx context.Context, rows *transform.Rows) error {
	err := w.Sink.Write(ctx, rows)
	if refused := (sinks.RowErrors)(nil); err != nil && !errors.As(err, &refused) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err == nil {
			w.err = err
		}
	}
	return err
}

func (w *witness) cause() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		return errors.New("a dead letter was not taken")
	}
	return w.err
}
