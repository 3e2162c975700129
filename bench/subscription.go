package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// delivery is a message on its way.
type delivery struct {
	index   int
	payload []byte
	sent    time.Time
}

// take waits for room and messages. It returns nil when the stream is closed.
func (s *Subscription) take(st *stream) []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []delivery
	for len(list) < perResponse {
		i := s.peek()
		if i < 0 || !st.room() {
			if len(list) > 0 || st.closed {
				break
			}
			s.wake.Wait()
			continue
		}
		list = append(list, s.lend(i, st))
	}
	return list
}

// peek returns the next message to deliver, -1 if there is none.
func (s *Subscription) peek() int {
	for len(s.queue) > 0 && s.messages[s.queue[0]].acked {
		s.queue = s.queue[1:]
	}
	switch {
	case len(s.queue) > 0:
		return s.queue[0]
	case s.next < len(s.messages):
		return s.next
	default:
		return -1
	}
}

// room reports whether another message may be sent: the limits are reached by
// the message that passes them, as in the service.
func (st *stream) room() bool {
	return !st.closed &&
		(st.maxMessages <= 0 || st.messages < st.maxMessages) &&
		(st.maxBytes <= 0 || st.bytes < st.maxBytes)
}

// lend gives the message that peek returned to a stream.
func (s *Subscription) lend(i int, st *stream) delivery {
	m := &s.messages[i]
	if len(s.queue) > 0 {
		s.queue = s.queue[1:]
		s.repeats++
	} else {
		s.next++
		m.sent = time.Now()
		if i == 0 {
			s.began = m.sent
		}
	}
	d := delivery{i, s.payload(i), m.sent}
	m.stream, m.size = st, len(d.payload)
	st.messages++
	st.bytes += m.size
	return d
}

// settle takes a message back from the stream that holds it.
func (m *message) settle() {
	if m.stream != nil {
		m.stream.messages--
		m.stream.bytes -= m.size
		m.stream = nil
	}
}

func (s *Subscription) ack(ids []string) error {
	return s.each(ids, func(i int) {
		m := &s.messages[i]
		m.settle()
		if m.acked {
			s.excess++
			return
		}
		m.acked = true
		m.took = time.Since(m.sent)
		if s.unacked--; s.unacked == 0 {
			s.ended = time.Now()
			close(s.done)
		}
	})
}

func (s *Subscription) nack(ids []string) error {
	return s.each(ids, func(i int) {
		m := &s.messages[i]
		s.nacks++
		if held := m.stream != nil; held && !m.acked {
			s.queue = append(s.queue, i)
		}
		m.settle()
	})
}

// each calls f for the messages with the lock held and wakes the streams.
func (s *Subscription) each(ids []string, f func(i int)) error {
	if len(ids) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake.Broadcast()
	for _, id := range ids {
		i, err := strconv.Atoi(id)
		if err != nil || i < 0 || i >= s.next {
			return status.Errorf(codes.InvalidArgument, "no message was delivered with ack id %q", id)
		}
		f(i)
	}
	return nil
}

// close ends a stream: what it holds is delivered again.
func (s *Subscription) close(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.closed = true
	for i := range s.messages[:s.next] {
		if m := &s.messages[i]; m.stream == st {
			m.settle()
			s.queue = append(s.queue, i)
		}
	}
	s.wake.Broadcast()
}

// Pulled is how the messages of a subscription fared.
type Pulled struct {
	Messages, Unacked, Nacks, Repeats, Excess int
	Took                                      time.Duration // from the first delivery to the last acknowledgement
	P50, P99, Max                             time.Duration // from a message's first delivery to its acknowledgement
}

// Pulled returns the state of things.
func (s *Subscription) Pulled() Pulled {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Pulled{Messages: len(s.messages), Unacked: s.unacked, Nacks: s.nacks, Repeats: s.repeats, Excess: s.excess}
	if s.unacked == 0 {
		p.Took = s.ended.Sub(s.began)
	}
	var took []time.Duration
	for i := range s.messages {
		if s.messages[i].acked {
			took = append(took, s.messages[i].took)
		}
	}
	if n := len(took); n > 0 {
		slices.Sort(took)
		p.P50, p.P99, p.Max = took[n/2], took[n*99/100], took[n-1]
	}
	return p
}

// Err says what is wrong with the count: every message has to be acknowledged,
// once and without a nack.
func (p Pulled) Err() error {
	if p.Unacked+p.Nacks+p.Repeats+p.Excess > 0 {
		return fmt.Errorf("of %d messages %d were not acknowledged; there were %d nacks, %d repeated deliveries and %d acknowledgements too many",
			p.Messages, p.Unacked, p.Nacks, p.Repeats, p.Excess)
	}
	return nil
}
