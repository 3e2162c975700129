// Package pipeline carries messages to the warehouse: message → event → rows →
// batch → sink → outcome.
//
// Every message handed over gets exactly one outcome, decided here and nowhere
// else. A message's rows travel together, so that it is acknowledged whole or
// not at all, and only after its rows are durable: the dead letter of an event
// that cannot become rows, and the ledger's row about its batch, are rows like
// the others. While the warehouse is away messages are held, not given back.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"leadsync/transform"
)

// A Pipeline transforms messages and writes their rows. Use it for one Run.
type Pipeline struct {
	cfg         Config
	in          chan submission
	slots       chan struct{} // one for each batch in flight
	free        chan *batch   // batches to be used again
	draining    chan struct{} // closed when batches must not wait any longer
	writes      context.Context
	stopWrites  context.CancelCauseFunc
	flights     sync.WaitGroup
	batches     atomic.Int64 // numbers the batches
	unknown     unknownFields
	window      *window // nil: duplicates are known within a batch only
	outstanding atomic.Int64
	settled     atomic.Int64
}

type submission struct {
	msgs    []*Message
	settler Settler
	taken   chan struct{} // closed when every message has been taken
}

// errDrainTimeout is the cause of writes that end with the drain.
var errDrainTimeout = errors.New("drain timeout")

// New returns a pipeline.
func New(cfg Config) *Pipeline {
	cfg.setDefaults()
	return &Pipeline{
		cfg:      cfg,
		in:       make(chan submission),
		slots:    make(chan struct{}, cfg.InFlight),
		free:     make(chan *batch, cfg.InFlight),
		draining: make(chan struct{}),
		window:   newWindow(cfg.DuplicateWindow),
	}
}

// Outstanding returns how many messages have been taken and not yet settled.
func (p *Pipeline) Outstanding() int { return int(p.outstanding.Load()) }

// Settled returns how many messages have been settled.
func (p *Pipeline) Settled() int64 { return p.settled.Load() }

// Run takes the source's messages until ctx is done, then drains: open batches
// are written at once, and after DrainTimeout what is not durable is given
// back. It returns the source's error, after every message is settled.
func (p *Pipeline) Run(ctx context.Context, source Source) error {
	// Writes outlive ctx: what has been taken is worth finishing.
	p.writes, p.stopWrites = context.WithCancelCause(context.WithoutCancel(ctx))
	defer p.stopWrites(nil)

	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(p.work)
	}
	finished := make(chan struct{})
	var attendants sync.WaitGroup
	attendants.Go(func() { p.drain(ctx, finished) })
	if p.window != nil {
		attendants.Go(func() { p.forget(finished) })
	}

	err := source.Run(ctx, p.submit)

	close(p.in)
	workers.Wait()
	p.flights.Wait()
	close(finished)
	attendants.Wait()
	if err != nil {
		return fmt.Errorf("run source: %w", err)
	}
	return nil
}

// drain waits for ctx, hurries the batches, and ends the writes at the
// timeout unless all is finished before.
func (p *Pipeline) drain(ctx context.Context, finished <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-finished:
		return
	}
	close(p.draining)
	p.cfg.Logger.Info("draining", "outstanding", p.Outstanding(), "timeout", p.cfg.DrainTimeout)
	timer := time.NewTimer(p.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		p.cfg.Logger.Warn("drain timeout: messages that are not durable are given back", "outstanding", p.Outstanding())
		p.stopWrites(errDrainTimeout)
	case <-finished:
	}
}

// forget ages the window, by a clock that nobody sets.
func (p *Pipeline) forget(finished <-chan struct{}) {
	ticker := time.NewTicker(windowAge)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.window.age()
		case <-finished:
			return
		}
	}
}

// submit implements [Submit].
func (p *Pipeline) submit(ctx context.Context, msgs []*Message, settler Settler) error {
	if len(msgs) == 0 {
		return nil
	}
	p.outstanding.Add(int64(len(msgs)))
	s := submission{msgs: msgs, settler: settler}
	if len(msgs) > 1 {
		s.taken = make(chan struct{})
	} else {
		// A worker keeps the message, not the slice.
		s.msgs = []*Message{msgs[0]}
	}
	cause := context.Cause(p.writes) // else a worker that stands ready might still win
	if cause == nil {
		select {
		case p.in <- s:
			if s.taken != nil {
				<-s.taken
			}
			return nil
		case <-ctx.Done():
			cause = context.Cause(ctx)
		case <-p.writes.Done():
			cause = context.Cause(p.writes)
		}
	}
	for _, m := range msgs {
		m.giveBack()
	}
	p.settle(settler, msgs)
	return fmt.Errorf("submit %d messages: %w", len(msgs), cause)
}

// settle gives messages their outcomes, all of one settler.
func (p *Pipeline) settle(settler Settler, msgs []*Message) {
	var counts [numOutcomes]int
	for _, m := range msgs {
		counts[m.Outcome]++
	}
	for o, n := range counts {
		if n > 0 {
			p.cfg.Observer.Settled(Outcome(o), n)
		}
	}
	settler.Settle(msgs)
	p.outstanding.Add(-int64(len(msgs)))
	p.settled.Add(int64(len(msgs)))
}

// work takes submissions, one goroutine's share of them, into a batch of its
// own: on the way from message to row nothing is shared.
func (p *Pipeline) work() {
	transformer := transform.New(p.cfg.Transform)
	var open *batch
	age := time.NewTimer(p.cfg.MaxDelay)
	age.Stop()
	defer age.Stop()
	flush := func() {
		if open != nil {
			age.Stop()
			p.tellUnknown(transformer)
			p.dispatch(open)
			open = nil
		}
	}
	take := func(s submission) {
		p.cfg.Observer.Received(len(s.msgs))
		now := p.cfg.Now()
		for _, m := range s.msgs {
			if open == nil {
				open = p.newBatch(now)
				age.Reset(p.cfg.MaxDelay)
			}
			p.add(open, transformer, m, s.settler, now)
			if open.full(&p.cfg) {
				flush()
			}
		}
		if s.taken != nil {
			close(s.taken)
		}
	}

	draining := p.draining
	for {
		select {
		case s, ok := <-p.in:
			if !ok {
				flush()
				return
			}
			take(s)
		case <-age.C:
			flush()
		case <-draining:
			draining = nil
			flush()
		}
		// A draining worker takes what stands at the door, then writes
		// without waiting for more.
		for draining == nil && open != nil {
			select {
			case s, ok := <-p.in:
				if !ok {
					flush()
					return
				}
				take(s)
			default:
				flush()
			}
		}
	}
}

// dispatch sends a batch on its way and waits only for a slot.
func (p *Pipeline) dispatch(b *batch) {
	p.cfg.Observer.BatchClosed(b.rows.Total(), b.rows.Bytes(), max(0, p.cfg.Now().Sub(b.started)))
	p.slots <- struct{}{}
	p.flights.Go(func() {
		defer func() { <-p.slots }()
		p.write(b)
		if b.rows.Bytes() > 4*p.cfg.MaxBytes {
			return // an extraordinary message: do not keep its memory
		}
		b.reset()
		select {
		case p.free <- b:
		default:
		}
	})
}

func (p *Pipeline) newBatch(now time.Time) *batch {
	var b *batch
	select {
	case b = <-p.free:
	default:
		b = &batch{seen: map[[16]byte]struct{}{}}
	}
	b.started = now
	return b
}
