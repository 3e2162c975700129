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
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// Config are the settings of a [Pipeline].
type Config struct {
	Sink         sinks.Sink
	Transform    transform.Options
	IngestSource string // "pubsub", "push", "backfill" or "replay"

	// A batch ends at the first of the three: so many messages, so many
	// bytes of encoded rows, so long since its first message. Zero values
	// take the defaults: 500, 1 MiB and 250 ms.
	MaxRows  int
	MaxBytes int
	MaxDelay time.Duration

	// InFlight is how many batches may be on their way to the sink at once.
	// The default is 8.
	InFlight int

	// DrainTimeout bounds how long writes may go on once the context is
	// done; what is not durable then is given back. The default is 8 s.
	DrainTimeout time.Duration

	WorkerID      string // names this process in the ledger
	WorkerVersion string
	Logger        *slog.Logger // nil: nothing is logged
	Observer      Observer     // nil: nothing is observed
}

// An Observer is told what happens, for metrics. Its methods may be called
// concurrently and must return at once.
type Observer interface {
	Received(messages int)
	Settled(outcome Outcome, messages int)
	DeadLetter(reason transform.Reason)
	// UnknownField is told of a key of the source that no column holds, and
	// in how many events it was, once a batch. There are at most 200 keys;
	// others come together as [transform.OtherField].
	UnknownField(part transform.Part, key string, events int)
	// BatchClosed is told of every batch when it goes to the sink: rows and
	// bytes of all tables, age since its first message.
	BatchClosed(rows, bytes int, age time.Duration)
	// Durable is told of every message published at a known time how long
	// after that it was durable.
	Durable(sincePublish time.Duration)
}

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
	outstanding atomic.Int64
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
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 500
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 1 << 20
	}
	if cfg.MaxDelay <= 0 {
		cfg.MaxDelay = 250 * time.Millisecond
	}
	if cfg.InFlight <= 0 {
		cfg.InFlight = 8
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = 8 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Observer == nil {
		cfg.Observer = unobserved{}
	}
	return &Pipeline{
		cfg:      cfg,
		in:       make(chan submission),
		slots:    make(chan struct{}, cfg.InFlight),
		free:     make(chan *batch, cfg.InFlight),
		draining: make(chan struct{}),
	}
}

// Outstanding returns how many messages have been taken and not yet settled.
func (p *Pipeline) Outstanding() int { return int(p.outstanding.Load()) }

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
	var drainer sync.WaitGroup
	drainer.Go(func() { p.drain(ctx, finished) })

	err := source.Run(ctx, p.submit)

	close(p.in)
	workers.Wait()
	p.flights.Wait()
	close(finished)
	drainer.Wait()
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
		m.Outcome = GivenBack
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
		now := time.Now()
		for _, m := range s.msgs {
			if open == nil {
				open = p.newBatch(now)
				age.Reset(p.cfg.MaxDelay)
			}
			open.add(&p.cfg, transformer, m, s.settler, now)
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
	p.cfg.Observer.BatchClosed(b.rows.Total(), b.rows.Bytes(), time.Since(b.started))
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

type unobserved struct{}

func (unobserved) Received(int)                             {}
func (unobserved) Settled(Outcome, int)                     {}
func (unobserved) DeadLetter(transform.Reason)              {}
func (unobserved) UnknownField(transform.Part, string, int) {}
func (unobserved) BatchClosed(int, int, time.Duration)      {}
func (unobserved) Durable(time.Duration)                    {}
