package pull

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sync/pipeline"
)

// glance is the time between two looks at the line.
const glance = 250 * time.Millisecond

// When nothing was heard from Pub/Sub for so long it is asked for a sign of
// life, so that one that hangs is known within 10 s. Where messages flow it is
// heard from all the time and never asked.
const (
	quiet      = 5 * time.Second
	askAgain   = time.Second // while calls fail
	askTimeout = 3 * time.Second
)

// reopening is the longest that the library waits before it opens a stream,
// with some to spare.
const reopening = 35 * time.Second

// watch looks at the line until ctx ends.
func (s *Source) watch(ctx context.Context, submit pipeline.Submit) {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	silence := silence{patience: s.patience, since: time.Now()}
	var asked time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.tell()
		s.knock(ctx, &asked)
		s.mind(ctx, &silence, submit)
	}
}

// tell logs when the source becomes ready and when it no longer is.
func (s *Source) tell() {
	err := s.cause()
	switch {
	case err != nil && !s.told && s.state.Load() == nil: // of the other kind Run tells
		s.logger.Warn("no messages come", "error", err)
	case err == nil && s.told:
		s.logger.Info("messages can come again", "subscription", s.name)
	}
	s.told = err != nil
}

// knock asks Pub/Sub for a sign of life if none was heard for a while. The
// call, an acknowledgement of nothing, needs no other permission than pulling
// does, and the service answers it by refusing it.
func (s *Source) knock(ctx context.Context, asked *time.Time) {
	pause := quiet
	if s.line.troubled() {
		pause = askAgain
	}
	last := s.line.when(&s.line.heard)
	if asked.After(last) {
		last = *asked
	}
	if time.Since(last) < pause || s.state.Load() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// What comes of it the line hears.
	_ = s.client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: s.subscriber.String()})
	*asked = time.Now()
}

// mind does what is to be done about streams that are silent or missing.
func (s *Source) mind(ctx context.Context, silence *silence, submit pipeline.Submit) {
	if s.patience == 0 {
		return
	}
	now := time.Now()
	open, since := s.line.streams()
	switch silence.next(sight{
		now: now, brought: s.line.when(&s.line.brought), opened: since,
		open: open, busy: s.held.Load() > 0, cause: s.cause() != nil,
	}) {
	case recycle:
		s.logger.Debug("no message for a while: streams are recycled", "subscription", s.name)
		s.line.recycle()
	case ask:
		if brought := s.fetch(ctx, submit); silence.asked(brought) {
			s.logger.Warn("a message waited that no stream had brought: streams are recycled", "subscription", s.name, "times", silence.strikes)
			s.line.recycle()
		}
	case wait:
	}
	s.setStuck(s.judge(now, silence, open, since))
}

// judge returns why only a restart helps, nil if that is not so.
func (s *Source) judge(now time.Time, silence *silence, open bool, since time.Time) error {
	unheard := now.Sub(s.line.when(&s.line.heard))
	switch {
	case silence.stuck():
		return fmt.Errorf("pull from subscription %s: messages wait and the streams bring none, recycled ones neither", s.name)
	case !open && now.Sub(since) >= s.patience+reopening && s.cause() == nil:
		return fmt.Errorf("pull from subscription %s: no stream was opened for %v, and none fails", s.name, now.Sub(since).Round(time.Second))
	case unheard >= 3*max(s.patience, quiet) && status.Code(s.line.cause(now)) == codes.DeadlineExceeded:
		return fmt.Errorf("pull from subscription %s: pub/sub has answered nothing for %v; another connection may fare better",
			s.name, unheard.Round(time.Second))
	default:
		return nil
	}
}

func (s *Source) setStuck(err error) {
	if err == nil {
		s.stuck.Store(nil)
	} else {
		s.stuck.Store(&err)
	}
}
