// Package pull brings in messages from a Pub/Sub subscription by streaming
// pull, and acknowledges each once the pipeline has settled it.
package pull

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"leadsync/sync/pipeline"
)

// Config are the settings of a [Source].
type Config struct {
	Project      string
	Subscription string // its id, or projects/P/subscriptions/S

	// MaxOutstandingMessages and MaxOutstandingBytes bound what has been
	// delivered and not settled yet, over all streams. A pipeline fills
	// batches from these messages only: they must hold at least two.
	MaxOutstandingMessages int
	MaxOutstandingBytes    int

	// Streams is the number of streams to pull on; 0 is 1. One brings in
	// 10 MB/s from Pub/Sub.
	Streams int

	// Watchdog is the time after which streams that bring nothing are
	// recycled, and then looked into; see [Source.Alive]. 0: they never are.
	Watchdog time.Duration

	Logger *slog.Logger // nil: nothing is logged
}

// maxExtension is for how long the library keeps a message's lease. It must
// outlast any outage of the warehouse: a lease that expires is a delivery
// attempt burnt.
const maxExtension = 12 * time.Hour

// After an error of the stream that the library gives up on, pulling starts
// anew with growing pauses between these.
const (
	minPause = time.Second
	maxPause = 10 * time.Second

	healAfter = 5 * time.Second
)

// A Source pulls from one subscription.
type Source struct {
	client     *pubsub.Client
	subscriber *pubsub.Subscriber
	name       string
	patience   time.Duration
	logger     *slog.Logger
	line       *line
	state      atomic.Pointer[error] // cause of not pulling; nil while pulling
	stuck      atomic.Pointer[error] // why only a restart helps; nil while it is not needed
	pulled     atomic.Bool           // there has been a time when it pulled
	held       atomic.Int64          // messages handed over and not settled
	fetched    sync.WaitGroup        // those of them that no stream brought
	told       bool                  // the log has been told that no messages come
}

// Open connects to Pub/Sub, or to the server that PUBSUB_EMULATOR_HOST names.
// It does not find out whether the subscription exists: subscribing needs no
// permission to look at it. Run does. ctx must outlive the source.
func Open(ctx context.Context, cfg Config) (*Source, error) {
	project := cfg.Project
	if rest, ok := strings.CutPrefix(cfg.Subscription, "projects/"); ok {
		project, _, _ = strings.Cut(rest, "/")
	}
	if project == "" {
		project = pubsub.DetectProjectID
	}
	line := newLine()
	client, err := pubsub.NewClient(ctx, project,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(line.onCall)),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(line.onStream)))
	if err != nil {
		return nil, fmt.Errorf("connect to pub/sub: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	subscriber := client.Subscriber(cfg.Subscription)
	settings := &subscriber.ReceiveSettings
	settings.MaxOutstandingMessages = cfg.MaxOutstandingMessages
	settings.MaxOutstandingBytes = cfg.MaxOutstandingBytes
	settings.NumGoroutines = max(1, cfg.Streams)
	settings.MaxExtension = maxExtension
	// ShutdownOptions stays nil: with a timeout set there the library drops
	// every ack made after the cancel. The pipeline bounds the drain.
	settings.ShutdownOptions = nil
	return &Source{
		client: client, subscriber: subscriber, name: cfg.Subscription,
		patience: cfg.Watchdog, logger: cfg.Logger, line: line,
	}, nil
}

// Close ends the connection. Call it after Run has returned.
func (s *Source) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close pub/sub client: %w", err)
	}
	return nil
}

// Ready returns nil while messages are being pulled, and otherwise why not and
// what mends it. It tells within 10 s that Pub/Sub cannot be reached, hangs or
// refuses, while [Source.Run] runs.
func (s *Source) Ready() error {
	if err := s.cause(); err != nil {
		return err
	}
	return s.Alive()
}

// cause is what Ready tells of what may end without a restart.
func (s *Source) cause() error {
	if err := s.state.Load(); err != nil {
		return *err
	}
	if err := s.line.cause(time.Now()); err != nil {
		return s.explained(err)
	}
	return nil
}

// Alive returns an error when only a restart helps: messages wait and streams
// bring none although they were recycled, or none is opened, or Pub/Sub has
// answered nothing at all for long. It returns nil while there is another
// cause for standing still: see [Source.Ready].
func (s *Source) Alive() error {
	if err := s.stuck.Load(); err != nil {
		return *err
	}
	return nil
}

// Recycles returns how often the streams were recycled.
func (s *Source) Recycles() int { return int(s.line.recycles.Load()) }

// Run pulls until ctx is done; then it returns nil after every message that it
// handed over is settled and its ack or nack sent. It returns an error only if
// it fails before it ever pulled for what a person must mend: no such
// subscription, no permission. Later it waits and tries again, whatever the
// cause, and [Source.Ready] tells.
func (s *Source) Run(ctx context.Context, submit pipeline.Submit) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx, submit) })
	defer func() {
		cancel()
		watching.Wait()
		s.fetched.Wait()
	}()
	return s.receive(ctx, submit)
}

// receive pulls by streams.
func (s *Source) receive(ctx context.Context, submit pipeline.Submit) error {
	pause := minPause
	for {
		started := time.Now()
		// A stream that has not failed for this long counts as pulling, also
		// when no message comes.
		healed := time.AfterFunc(healAfter, s.pulling)
		err := s.subscriber.Receive(ctx, s.taker(submit))
		healed.Stop()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whatever Receive says then, the end was asked for
		}
		if err == nil {
			err = errors.New("the stream ended")
		}
		err = s.explained(err)
		if isSetup(err) && !s.pulled.Load() {
			return err
		}
		s.state.Store(&err)
		if time.Since(started) > maxPause {
			pause = minPause
		}
		wait := pause/2 + rand.N(pause/2)
		s.logger.Error("pulling interrupted", "error", err, "retry_in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		pause = min(2*pause, maxPause)
	}
}

// pulling notes that messages are being pulled.
func (s *Source) pulling() {
	s.pulled.Store(true)
	s.state.Store(nil)
}

// taker returns a function that hands one message over and returns when it is
// settled: the library counts a message as outstanding until then, whenever it
// was acknowledged. The library starts a goroutine for each, whose stack just
// suffices: another frame or a deferred call here makes it grow, which costs
// the whole worker a tenth.
func (s *Source) taker(submit pipeline.Submit) func(context.Context, *pubsub.Message) {
	return func(ctx context.Context, m *pubsub.Message) {
		s.pulling()
		w := s.newWaiter()
		msg := &pipeline.Message{
			ID:          m.ID,
			Data:        m.Data,
			Attributes:  m.Attributes,
			PublishedAt: m.PublishTime,
		}
		if m.DeliveryAttempt != nil {
			msg.Attempt = *m.DeliveryAttempt
		}
		// An error means that the message was settled as given back.
		_ = submit(ctx, []*pipeline.Message{msg}, w)
		<-w.settled
		if msg.Outcome.Durable() {
			m.Ack()
		} else {
			m.Nack()
		}
	}
}

// A waiter wakes whoever handed one message over.
type waiter struct {
	settled chan struct{}
	held    *atomic.Int64
}

// newWaiter counts one more message as held, until it is settled.
func (s *Source) newWaiter() *waiter {
	s.held.Add(1)
	return &waiter{make(chan struct{}), &s.held}
}

func (w *waiter) Settle([]*pipeline.Message) {
	w.held.Add(-1)
	close(w.settled)
}
