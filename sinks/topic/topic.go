// Package topic publishes dead letters to a Pub/Sub topic, besides the table
// that they stand in, for those who want to be told of each.
//
// A message has the letter's payload and its message's attributes, as they
// stand in the table, and what the letter says in attributes of their own:
// leadsync_dead_letter_id, leadsync_reason, leadsync_stage, leadsync_error and
// leadsync_fingerprint. A letter that fills several rows makes several
// messages, which leadsync_part numbers.
package topic

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/transform"
)

// Config are the settings of a [Topic].
type Config struct {
	Project string // "": from the environment's credentials
	Topic   string // its id, or projects/P/topics/T

	Logger *slog.Logger // nil: nothing is logged

	pacing *pacing // nil: the default
}

// pacing holds the times that are not the user's to set: how long one request
// may take, and the pauses between tries, which double from first to most.
type pacing struct{ request, first, most time.Duration }

var defaultPacing = pacing{request: 10 * time.Second, first: 250 * time.Millisecond, most: 15 * time.Second}

// A Topic is where dead letters are published.
type Topic struct {
	client *pubsub.Client
	name   string // in full
	logger *slog.Logger
	pacing pacing
	cause  atomic.Pointer[error] // of letters being held; nil while they go through
}

// Open connects to Pub/Sub, or to the server that PUBSUB_EMULATOR_HOST names.
// It does not find out whether the topic exists: publishing needs no
// permission to look at it. ctx must outlive the topic.
func Open(ctx context.Context, cfg Config) (*Topic, error) {
	project := cfg.Project
	if project == "" {
		project = pubsub.DetectProjectID
	}
	if rest, ok := strings.CutPrefix(cfg.Topic, "projects/"); ok {
		project, _, _ = strings.Cut(rest, "/")
	}
	client, err := pubsub.NewClient(ctx, project)
	if err != nil {
		return nil, fmt.Errorf("connect to pub/sub: %w", err)
	}
	t := &Topic{client: client, name: cfg.Topic, logger: cfg.Logger, pacing: defaultPacing}
	if !strings.HasPrefix(t.name, "projects/") {
		t.name = "projects/" + client.Project() + "/topics/" + cfg.Topic
	}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.pacing != nil {
		t.pacing = *cfg.pacing
	}
	return t, nil
}

// Close ends the connection. No Publish may be under way; nothing is kept back
// that would have to be sent.
func (t *Topic) Close() error {
	if err := t.client.Close(); err != nil {
		return fmt.Errorf("close pub/sub client: %w", err)
	}
	return nil
}

// Ready returns nil while letters go through, and the cause while they are
// being held back and tried again.
func (t *Topic) Ready() error {
	if err := t.cause.Load(); err != nil {
		return *err
	}
	return nil
}

// Publish publishes the rows of dead_letters, each once unless an answer is
// lost. It tries until ctx ends; nil means that Pub/Sub has them all. It may
// be called concurrently.
func (t *Topic) Publish(ctx context.Context, rows *transform.Rows) error {
	for next := 0; next < rows.Len(transform.DeadLetters); {
		messages, after, err := request(rows, next)
		if err != nil {
			return fmt.Errorf("publish to %s: %w", t.name, err)
		}
		if err := t.insist(ctx, messages); err != nil {
			return err
		}
		next = after
	}
	return nil
}

// insist sends one request until it is taken or ctx ends.
func (t *Topic) insist(ctx context.Context, messages []*pubsubpb.PubsubMessage) error {
	pause := t.pacing.first
	var cause error
	for try := 0; ; try++ {
		err := t.send(ctx, messages)
		if err == nil {
			if t.cause.Swap(nil) != nil {
				t.logger.Info("dead letters go through again", "topic", t.name)
			}
			return nil
		}
		if cause == nil || ctx.Err() == nil { // else it tells of nothing but the end
			cause = fmt.Errorf("publish dead letters to %s: %w", t.name, err)
		}
		if isSetup(cause) || try > 0 {
			t.hold(cause)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w after %w", context.Cause(ctx), cause)
		}
		pause = min(2*pause, t.pacing.most)
	}
}

func (t *Topic) send(ctx context.Context, messages []*pubsubpb.PubsubMessage) error {
	ctx, cancel := context.WithTimeout(ctx, t.pacing.request)
	defer cancel()
	_, err := t.client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{Topic: t.name, Messages: messages})
	return err
}

// hold makes the cause known.
func (t *Topic) hold(cause error) {
	if isSetup(cause) {
		cause = fmt.Errorf("%w; check DEAD_LETTER_TOPIC, and that the worker's account has the role roles/pubsub.publisher on it", cause)
	}
	if t.cause.Swap(&cause) == nil {
		t.logger.Warn("dead letters are held back", "topic", t.name, "error", cause)
	}
}

// isSetup reports whether a person must act.
func isSetup(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.FailedPrecondition:
		return true
	default:
		return false
	}
}
