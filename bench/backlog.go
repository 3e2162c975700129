package main

import (
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

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
