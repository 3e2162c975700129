package pulltest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A lease is a delivery that is neither acknowledged nor given back.
type lease struct {
	number  int
	msg     int
	size    int
	copied  bool    // one of a storm's
	stream  *stream // whose room it takes; nil: of a unary pull
	conn    string  // connection it was delivered on
	expires time.Time
}

// ready reports whether there is a message to deliver. The caller holds s.mu.
func (s *Server) ready() bool {
	for s.pending.len() > 0 {
		t := s.pending.peek()
		if t.copy || !s.messages[t.msg].acked {
			return true
		}
		s.pending.pop()
	}
	return false
}

// lend takes the next message, of which there must be one, into a lease. The
// caller holds s.mu.
func (s *Server) lend(st *stream, conn string, length time.Duration) *pubsubpb.ReceivedMessage {
	t := s.pending.peek()
	s.pending.pop()
	m := &s.messages[t.msg]
	data := m.Data
	if m.make != nil {
		data = m.make()
	}
	now := time.Now()
	s.last++
	l := &lease{
		number: s.last, msg: t.msg, size: len(data), copied: t.copy,
		stream: st, conn: conn, expires: now.Add(min(length, s.length)),
	}
	s.leases[l.number] = l
	if st != nil {
		st.messages++
		st.bytes += l.size
	}
	s.count(m, t, now)
	return &pubsubpb.ReceivedMessage{
		AckId:           strconv.Itoa(l.msg) + ":" + strconv.Itoa(l.number),
		DeliveryAttempt: int32(m.record.Attempt),
		Message: &pubsubpb.PubsubMessage{
			Data: data, Attributes: m.Attributes, MessageId: m.record.ID, PublishTime: timestamppb.New(m.PublishedAt),
		},
	}
}

// count enters a delivery into the accounts. The caller holds s.mu.
func (s *Server) count(m *message, t turn, now time.Time) {
	s.stats.Deliveries++
	if m.record.Deliveries++; m.record.Deliveries > 1 {
		s.stats.Redelivered++
	} else {
		m.first = now
		m.record.Attempt = 1
		if s.stats.First.IsZero() {
			s.stats.First = now
		}
		s.scatter(t.msg)
	}
	if m.record.Acks > 0 {
		s.stats.RedeliveredAcked++
	}
	s.stats.MaxAttempt = max(s.stats.MaxAttempt, m.record.Attempt)
}

// scatter queues the copies that a storm makes of a message. The caller holds
// s.mu.
func (s *Server) scatter(msg int) {
	for range s.faults.storm {
		s.pending.push(msg, true)
		s.copies++
	}
}

// drop ends a lease. The caller holds s.mu.
func (s *Server) drop(l *lease) {
	delete(s.leases, l.number)
	if l.stream != nil {
		l.stream.messages--
		l.stream.bytes -= l.size
	}
	if l.copied {
		s.copies--
	}
}

// giveBack ends a lease without an acknowledgement: its message is due again,
// unless it has been acknowledged meanwhile. The caller holds s.mu.
func (s *Server) giveBack(l *lease) {
	s.drop(l)
	if m := &s.messages[l.msg]; !m.acked && !l.copied {
		m.record.Attempt++
		s.pending.push(l.msg, false)
	}
}

// ack takes acknowledgements.
func (s *Server) ack(ids []string) error {
	return s.each(ids, func(msg int, l *lease) {
		m := &s.messages[msg]
		if drop := s.faults.dropAcks; drop != nil && drop(m.record.ID) {
			return // the client believes it is done: the lease just ends
		}
		if l != nil {
			s.drop(l)
		}
		s.stats.Acks++
		m.record.Acks++
		if m.acked {
			return
		}
		m.acked = true
		s.stats.Last = time.Now()
		m.record.AckedAfter = s.stats.Last.Sub(m.first)
		s.unacked--
	})
}

// extend makes leases last so much longer from now on; 0 is a nack.
func (s *Server) extend(ids []string, seconds int32) error {
	if seconds < 0 || seconds > 600 {
		return status.Errorf(codes.InvalidArgument, "an ack deadline of %d seconds is not between 0 and 600", seconds)
	}
	return s.each(ids, func(msg int, l *lease) {
		if seconds == 0 {
			s.stats.Nacks++
			s.messages[msg].record.Nacks++
		}
		switch {
		case l == nil: // it has ended
		case seconds == 0:
			s.giveBack(l)
		default:
			l.expires = time.Now().Add(s.extension(time.Duration(seconds) * time.Second))
		}
	})
}

// leastExtension is the shortest extension that the vendor's client asks for.
const leastExtension = 10 * time.Second

// extension returns how long a lease lasts for which d was asked. The caller
// holds s.mu.
func (s *Server) extension(d time.Duration) time.Duration {
	if d > leastExtension {
		return d // it comes as late as this allows
	}
	return min(d, s.length)
}

// each calls f with the lock held for the message and the lease, nil if it has
// ended, of every ack id, and wakes who waits.
func (s *Server) each(ids []string, f func(msg int, l *lease)) error {
	if len(ids) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake.Broadcast()
	defer s.finish()
	for _, id := range ids {
		msg, number, err := s.parse(id)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		f(msg, s.leases[number])
	}
	return nil
}

// parse reads an ack id. The caller holds s.mu.
func (s *Server) parse(id string) (msg, number int, err error) {
	first, second, _ := strings.Cut(id, ":")
	msg, err = strconv.Atoi(first)
	if err == nil {
		number, err = strconv.Atoi(second)
	}
	if err != nil || msg < 0 || msg >= len(s.messages) || number < 1 || number > s.last {
		return 0, 0, fmt.Errorf("no message was delivered with ack id %q", id)
	}
	return msg, number, nil
}
