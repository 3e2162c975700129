package pulltest

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// A Message is what a publisher publishes.
type Message struct {
	Data        []byte            // must not be changed after
	Attributes  map[string]string // nil: none; must not be changed after
	PublishedAt time.Time         // zero: now
}

// A message is a published one with its account.
type message struct {
	Message
	make   func() []byte // makes the data; nil: it is in Message
	record Record
	acked  bool
	first  time.Time // when it was first delivered
}

// A Record is the account of one message.
type Record struct {
	ID         string
	Deliveries int           // copies of a storm included
	Acks       int           // that arrived and were not dropped
	Nacks      int           // that arrived
	Attempt    int           // as the service counts: 1, and one more for each nack and each lease that ended; 0 before the first delivery
	AckedAfter time.Duration // from the first delivery to the first acknowledgement; 0 before that
}

// Stats are the accounts of all messages together.
type Stats struct {
	Messages         int // published
	Unacked          int // of them without an acknowledgement that arrived
	Deliveries       int
	Acks             int // that arrived and were not dropped, repeated ones too
	Nacks            int
	Redelivered      int       // deliveries after a message's first
	RedeliveredAcked int       // deliveries after an acknowledgement had arrived and was not dropped
	MaxAttempt       int       // highest of all attempts; above 1 an attempt was burnt
	Pulls            int       // unary calls for messages
	Refused          int       // unary calls that were answered with an error
	Streams          int       // streams that were opened
	First, Last      time.Time // delivery and acknowledgement; zero: none
}

// Stats returns the accounts as they stand.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Messages, stats.Unacked = len(s.messages), s.unacked
	return stats
}

// Each calls f with the record of every message, in the order in which they
// were published. f must not call the server.
func (s *Server) Each(f func(Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.messages {
		f(s.messages[i].record)
	}
}

// Done returns a channel that is closed when everything published so far is
// acknowledged and a storm's copies are settled. Before anything was published
// it is open.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// Wait waits for [Server.Done]. The error is that of ctx and says what is
// missing.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-s.Done():
		return nil
	case <-ctx.Done():
		stats := s.Stats()
		return fmt.Errorf("wait for subscription %s: %d of %d messages are not acknowledged: %w",
			s.name, stats.Unacked, stats.Messages, context.Cause(ctx))
	}
}

// add takes a message in. The caller holds s.mu.
func (s *Server) add(m Message, data func() []byte) string {
	if m.PublishedAt.IsZero() {
		m.PublishedAt = time.Now()
	}
	i := len(s.messages)
	id := strconv.Itoa(i + 1)
	s.messages = append(s.messages, message{Message: m, make: data, record: Record{ID: id}})
	s.pending.push(i, false)
	s.unacked++
	s.open()
	return id
}

// open makes sure that Done is not closed. The caller holds s.mu.
func (s *Server) open() {
	select {
	case <-s.done:
		s.done = make(chan struct{})
	default:
	}
}

// finish closes Done if nothing is left. The caller holds s.mu.
func (s *Server) finish() {
	if s.unacked > 0 || s.copies > 0 || len(s.messages) == 0 {
		return
	}
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}
