package pulltest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// raw is the client one below the vendor's convenient one.
func raw(t *testing.T, s *Server) *vkit.SubscriptionAdminClient {
	t.Helper()
	client := newClient(t, s)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client.SubscriptionAdminClient
}

// pull pulls what is there by a unary call.
func pull(ctx context.Context, c *vkit.SubscriptionAdminClient, most int32) ([]*pubsubpb.ReceivedMessage, error) {
	//nolint:staticcheck // deprecated for everyday use
	r, err := c.Pull(ctx, &pubsubpb.PullRequest{Subscription: name, MaxMessages: most, ReturnImmediately: true})
	return r.GetReceivedMessages(), err
}

// open opens a stream that may hold so much.
func open(t *testing.T, c *vkit.SubscriptionAdminClient, messages, bytes int64) pubsubpb.Subscriber_StreamingPullClient {
	t.Helper()
	stream, err := c.StreamingPull(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pubsubpb.StreamingPullRequest{
		Subscription: name, StreamAckDeadlineSeconds: 10, MaxOutstandingMessages: messages, MaxOutstandingBytes: bytes, ProtocolVersion: 1,
	}); err != nil {
		t.Fatal(err)
	}
	return stream
}

// take receives n messages, neither more nor less, and returns their ack ids:
// an answer to a ping tells that no more come.
func take(t *testing.T, stream pubsubpb.Subscriber_StreamingPullClient, n int) (ids []string) {
	t.Helper()
	recv := func() []*pubsubpb.ReceivedMessage {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.GetReceivedMessages() {
			ids = append(ids, m.GetAckId())
		}
		return r.GetReceivedMessages()
	}
	for len(ids) < n {
		recv()
	}
	if err := stream.Send(&pubsubpb.StreamingPullRequest{}); err != nil {
		t.Fatal(err)
	}
	for len(recv()) > 0 {
	}
	if len(ids) != n {
		t.Errorf("%d messages, want %d", len(ids), n)
	}
	return ids
}

// TestFlowControl catches a server that sends more than a stream may hold, or
// that does not go on when there is room again.
func TestFlowControl(t *testing.T) {
	s := New(t, name)
	s.PublishFunc(50, func(int) []byte { return make([]byte, 100) })
	c := raw(t, s)
	messages := open(t, c, 7, 0)
	first := take(t, messages, 7)
	bytes := open(t, c, 0, 450)
	second := take(t, bytes, 5)
	if err := c.Acknowledge(t.Context(), &pubsubpb.AcknowledgeRequest{Subscription: name, AckIds: []string{first[0], second[0]}}); err != nil {
		t.Fatal(err)
	}
	take(t, messages, 1)
	take(t, bytes, 1)
	// A nack gives room too; what it gave back is there for a unary pull.
	if err := messages.Send(&pubsubpb.StreamingPullRequest{ModifyDeadlineAckIds: first[1:3], ModifyDeadlineSeconds: []int32{0, 0}}); err != nil {
		t.Fatal(err)
	}
	take(t, messages, 2)
	got, err := pull(t.Context(), c, 100)
	if err != nil || len(got) != 50-16+2 {
		t.Errorf("%d messages left, %v", len(got), err)
	}
	if err := messages.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := messages.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream that was closed ends with %v", err)
	}
}

// TestRefusals catches a server that lets pass what the service refuses.
func TestRefusals(t *testing.T) {
	s := New(t, name)
	publish(s, 1)
	c := raw(t, s)
	got, err := pull(t.Context(), c, 1)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	id := got[0].GetAckId()
	ack := func(subscription string, ids ...string) error {
		return c.Acknowledge(t.Context(), &pubsubpb.AcknowledgeRequest{Subscription: subscription, AckIds: ids})
	}
	modify := func(seconds int32, ids ...string) error {
		return c.ModifyAckDeadline(t.Context(), &pubsubpb.ModifyAckDeadlineRequest{Subscription: name, AckIds: ids, AckDeadlineSeconds: seconds})
	}
	streaming := func(requests ...*pubsubpb.StreamingPullRequest) error {
		stream, err := c.StreamingPull(t.Context())
		if err != nil {
			return err
		}
		for _, r := range requests {
			if err := stream.Send(r); err != nil {
				return err
			}
		}
		_, err = stream.Recv()
		return err
	}
	good := &pubsubpb.StreamingPullRequest{Subscription: name, StreamAckDeadlineSeconds: 60}
	_, empty := pull(t.Context(), c, 0)
	_, other := c.GetSubscription(t.Context(), &pubsubpb.GetSubscriptionRequest{Subscription: name + "2"})
	for what, test := range map[string]struct {
		err  error
		want codes.Code
	}{
		"ack elsewhere":           {ack(name+"2", id), codes.NotFound},
		"look elsewhere":          {other, codes.NotFound},
		"ack of nothing":          {ack(name), codes.InvalidArgument},
		"ack of what is not out":  {ack(name, "0:2"), codes.InvalidArgument},
		"ack of no message":       {ack(name, "1:1"), codes.InvalidArgument},
		"ack of anything":         {ack(name, "x"), codes.InvalidArgument},
		"ack of too much":         {ack(name, slices.Repeat([]string{id}, 200_000)...), codes.InvalidArgument},
		"deadline below 0":        {modify(-1, id), codes.InvalidArgument},
		"deadline too long":       {modify(601, id), codes.InvalidArgument},
		"extension of nothing":    {modify(10), codes.InvalidArgument},
		"pull of nothing":         {empty, codes.InvalidArgument},
		"stream elsewhere":        {streaming(&pubsubpb.StreamingPullRequest{Subscription: "x", StreamAckDeadlineSeconds: 60}), codes.NotFound},
		"stream without deadline": {streaming(&pubsubpb.StreamingPullRequest{Subscription: name}), codes.InvalidArgument},
		"stream set up twice":     {streaming(good, good), codes.InvalidArgument},
		"deadlines without ids":   {streaming(good, &pubsubpb.StreamingPullRequest{ModifyDeadlineSeconds: []int32{1}}), codes.InvalidArgument},
		"stream ack of anything":  {streaming(good, &pubsubpb.StreamingPullRequest{AckIds: []string{"x"}}), codes.InvalidArgument},
	} {
		if status.Code(test.err) != test.want {
			t.Errorf("%s: %v, want %v", what, test.err, test.want)
		}
	}
	if got := s.Stats(); got.Acks != 0 || got.Nacks != 0 {
		t.Errorf("what was refused counts: %+v", got)
	}
	if _, err := Start("leads"); err == nil {
		t.Error("a short name is taken")
	}
}

// TestShuffle catches an order that is not shuffled, one that is another every
// time, and a shuffle that loses messages.
func TestShuffle(t *testing.T) {
	order := func(seed uint64) string {
		s := New(t, name)
		s.Shuffle(seed)
		publish(s, 200)
		got, err := pull(t.Context(), raw(t, s), 300)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range got {
			ids = append(ids, m.GetMessage().GetMessageId())
		}
		sorted := slices.Compact(slices.Sorted(slices.Values(ids)))
		if len(sorted) != 200 || ids[0] == "1" && ids[1] == "2" && ids[2] == "3" {
			t.Errorf("%d messages, %v", len(sorted), ids)
		}
		return strings.Join(ids, " ")
	}
	if a, b, c := order(1), order(1), order(2); a != b || a == c {
		t.Errorf("equal seeds: %v, different ones: %v", a == b, a == c)
	}
}

// TestPullWaits catches a unary pull that returns before there is anything,
// and one that outlives its caller.
func TestPullWaits(t *testing.T) {
	s := New(t, name)
	c := raw(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	request := &pubsubpb.PullRequest{Subscription: name, MaxMessages: 10}
	if r, err := c.Pull(ctx, request); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("%v, %v", r, err)
	}
	time.AfterFunc(50*time.Millisecond, func() { publish(s, 1) })
	if r, err := c.Pull(t.Context(), request); err != nil || len(r.GetReceivedMessages()) != 1 {
		t.Errorf("%v, %v", r, err)
	}
}
