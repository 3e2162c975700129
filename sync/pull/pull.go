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
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
	maxPause = 30 * time.Second

	healAfter = 5 * time.Second
)

// A Source pulls from one subscription.
type Source struct {
	client     *pubsub.Client
	subscriber *pubsub.Subscriber
	name       string
	logger     *slog.Logger
	state      atomic.Pointer[error] // cause of not pulling; nil while pulling
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
	client, err := pubsub.NewClient(ctx, project)
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
	return &Source{client: client, subscriber: subscriber, name: cfg.Subscription, logger: cfg.Logger}, nil
}

// Close ends the connection. Call it after Run has returned.
func (s *Source) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close pub/sub client: %w", err)
	}
	return nil
}

// Ready returns nil while messages are being pulled, and otherwise why not.
func (s *Source) Ready() error {
	if err := s.state.Load(); err != nil {
		return *err
	}
	return nil
}

// Run pulls until ctx is done; then it returns nil after every message that it
// handed over is settled and its ack or nack sent. It returns an error only if
// it fails before it ever pulled for what a person must mend: no such
// subscription, no permission. Later it waits and tries again, whatever the
// cause, and [Source.Ready] tells.
func (s *Source) Run(ctx context.Context, submit pipeline.Submit) error {
	pause := minPause
	var pulled atomic.Bool
	pulling := func() {
		pulled.Store(true)
		s.state.Store(nil)
	}
	for {
		started := time.Now()
		// A stream that has not failed for this long counts as pulling, also
		// when no message comes.
		healed := time.AfterFunc(healAfter, pulling)
		err := s.subscriber.Receive(ctx, func(ctx context.Context, m *pubsub.Message) {
			pulling()
			receive(ctx, m, submit)
		})
		healed.Stop()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whatever Receive says then, the end was asked for
		}
		if err == nil {
			err = errors.New("the stream ended")
		}
		err = fmt.Errorf("pull from subscription %s: %w", s.name, err)
		if isSetup(err) && !pulled.Load() {
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

// isSetup reports whether a person must act.
func isSetup(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument:
		return true
	default:
		return false
	}
}

// receive hands one message over and returns when it is settled: the library
// counts a message as outstanding until then, whenever it was acknowledged.
func receive(ctx context.Context, m *pubsub.Message, submit pipeline.Submit) {
	w := &waiter{settled: make(chan struct{})}
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

// A waiter wakes the callback of one message.
type waiter struct{ settled chan struct{} }

func (w *waiter) Settle([]*pipeline.Message) { close(w.settled) }
