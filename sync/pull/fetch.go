package pull

import (
	"context"
	"errors"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"leadsync/sync/pipeline"
)

// fetch pulls one message apart from the streams, if one waits, and hands it
// over like any other. It reports whether there was one.
func (s *Source) fetch(ctx context.Context, submit pipeline.Submit) bool {
	ctx2, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	// To return at once is discouraged for pulling and right for asking: a
	// call that ends while a message is on its way loses a delivery.
	//nolint:staticcheck // see above
	r, err := s.client.SubscriptionAdminClient.Pull(ctx2, &pubsubpb.PullRequest{
		Subscription: s.subscriber.String(), MaxMessages: 1, ReturnImmediately: true,
	})
	if err != nil {
		return false // the line has heard it
	}
	for _, m := range r.GetReceivedMessages() {
		s.fetched.Go(func() { s.carry(ctx, m, submit) })
	}
	return len(r.GetReceivedMessages()) > 0
}

// The lease of a fetched message, and how often it is extended.
const (
	fetchedLease = 60 * time.Second
	extendEvery  = 20 * time.Second
)

// carry sees a fetched message through: its lease is extended until it is
// settled, then it is acknowledged or given back.
func (s *Source) carry(ctx context.Context, m *pubsubpb.ReceivedMessage, submit pipeline.Submit) {
	w := s.newWaiter()
	msg := &pipeline.Message{
		ID: m.GetMessage().GetMessageId(), Data: m.GetMessage().GetData(), Attributes: m.GetMessage().GetAttributes(),
		PublishedAt: m.GetMessage().GetPublishTime().AsTime(), Attempt: int(m.GetDeliveryAttempt()),
	}
	lasting := context.WithoutCancel(ctx) // what is settled while draining is acknowledged too
	s.lease(lasting, m.GetAckId(), fetchedLease)
	var handing sync.WaitGroup
	handing.Go(func() { _ = submit(ctx, []*pipeline.Message{msg}, w) }) // an error means that it was settled as given back
	defer handing.Wait()
	for ticker := time.NewTicker(extendEvery); ; {
		select {
		case <-ticker.C:
			s.lease(lasting, m.GetAckId(), fetchedLease)
			continue
		case <-w.settled:
			ticker.Stop()
		}
		break
	}
	if !msg.Outcome.Durable() {
		s.lease(lasting, m.GetAckId(), 0)
		return
	}
	ctx, cancel := context.WithTimeout(lasting, fetchedLease)
	defer cancel()
	if err := s.client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{
		Subscription: s.subscriber.String(), AckIds: []string{m.GetAckId()},
	}); err != nil {
		s.logger.Warn("acknowledgement lost: the message will come again", "error", err)
	}
}

// lease sets how long a message's lease lasts from now; 0 gives it back. If
// that fails, the message comes again.
func (s *Source) lease(ctx context.Context, id string, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, extendEvery)
	defer cancel()
	if err := s.client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
		Subscription: s.subscriber.String(), AckIds: []string{id}, AckDeadlineSeconds: int32(d / time.Second),
	}); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.logger.Warn("lease not extended: the message may come again", "error", err)
	}
}
