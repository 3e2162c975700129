package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Subscription serves one subscription with a backlog as fast as its
// subscribers let it, by streaming pull. It obeys the flow control of each
// stream, takes acknowledgements on the stream and as calls of their own, and
// delivers again what was nacked or what a closed stream left behind. Leases
// do not expire here.
type Subscription struct {
	pubsubpb.UnimplementedSubscriberServer

	name    string
	payload func(i int) []byte

	mu       sync.Mutex
	messages []message
	queue    []int // to deliver again
	next     int   // first that was never delivered
	unacked  int
	excess   int // acknowledgements of what was acknowledged already
	nacks    int
	repeats  int // deliveries after the first
	began    time.Time
	ended    time.Time
	done     chan struct{} // closed when all are acknowledged
	wake     *sync.Cond    // streams wait here for room and messages
}

type message struct {
	sent   time.Time
	took   time.Duration
	stream *stream // that holds it; nil: to be delivered
	size   int
	acked  bool
}

// stream is what one subscriber may hold and holds.
type stream struct {
	maxMessages, maxBytes int // 0 or less: no limit
	messages, bytes       int
	closed                bool
}

// NewSubscription returns a subscription with n messages in its backlog.
func NewSubscription(name string, n int, payload func(i int) []byte) *Subscription {
	s := &Subscription{name: name, payload: payload, messages: make([]message, n), unacked: n, done: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	if n == 0 {
		close(s.done)
	}
	return s
}

// Done is closed when every message has been acknowledged.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// GetSubscription tells that the subscription exists.
func (s *Subscription) GetSubscription(_ context.Context, r *pubsubpb.GetSubscriptionRequest) (*pubsubpb.Subscription, error) {
	if err := s.check(r.GetSubscription()); err != nil {
		return nil, err
	}
	return &pubsubpb.Subscription{Name: s.name, Topic: "projects/bench/topics/bench", AckDeadlineSeconds: 60}, nil
}

func (s *Subscription) check(name string) error {
	if name != s.name {
		return status.Errorf(codes.NotFound, "subscription %s does not exist, only %s", name, s.name)
	}
	return nil
}

// Acknowledge takes acknowledgements.
func (s *Subscription) Acknowledge(_ context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	if err := s.check(r.GetSubscription()); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.ack(r.GetAckIds())
}

// ModifyAckDeadline takes nacks, which are deadlines of 0 seconds; any other
// deadline is as good as another.
func (s *Subscription) ModifyAckDeadline(_ context.Context, r *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	if err := s.check(r.GetSubscription()); err != nil {
		return nil, err
	}
	if r.GetAckDeadlineSeconds() != 0 {
		return &emptypb.Empty{}, nil
	}
	return &emptypb.Empty{}, s.nack(r.GetAckIds())
}

// StreamingPull delivers until the subscriber closes the stream.
func (s *Subscription) StreamingPull(server pubsubpb.Subscriber_StreamingPullServer) error {
	first, err := server.Recv()
	if err != nil {
		return err
	}
	if err := s.check(first.GetSubscription()); err != nil {
		return err
	}
	st := &stream{maxMessages: int(first.GetMaxOutstandingMessages()), maxBytes: int(first.GetMaxOutstandingBytes())}
	gone := make(chan error, 1)
	go func() {
		gone <- s.listen(server, first)
		s.close(st)
	}()
	if err := s.deliver(server, st); err != nil {
		return err
	}
	return <-gone
}

// listen takes what the subscriber says until it has said all.
func (s *Subscription) listen(server pubsubpb.Subscriber_StreamingPullServer, r *pubsubpb.StreamingPullRequest) error {
	for {
		if err := s.ack(r.GetAckIds()); err != nil {
			return err
		}
		for i, id := range r.GetModifyDeadlineAckIds() {
			if i < len(r.GetModifyDeadlineSeconds()) && r.GetModifyDeadlineSeconds()[i] == 0 {
				if err := s.nack([]string{id}); err != nil {
					return err
				}
			}
		}
		var err error
		if r, err = server.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// perResponse bounds the messages in one response.
const perResponse = 100

// deliver sends messages as there is room for them, until the stream is closed.
func (s *Subscription) deliver(server pubsubpb.Subscriber_StreamingPullServer, st *stream) error {
	for {
		list := s.take(st)
		if list == nil {
			return nil
		}
		r := &pubsubpb.StreamingPullResponse{ReceivedMessages: make([]*pubsubpb.ReceivedMessage, len(list))}
		for i, m := range list {
			r.ReceivedMessages[i] = &pubsubpb.ReceivedMessage{
				AckId: strconv.Itoa(m.index),
				Message: &pubsubpb.PubsubMessage{
					Data:        m.payload,
					MessageId:   strconv.Itoa(m.index + 1),
					PublishTime: timestamppb.New(m.sent),
				},
			}
		}
		if err := server.Send(r); err != nil {
			return err
		}
	}
}
