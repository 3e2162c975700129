package pulltest

import (
	"context"
	"time"
)

// expire gives back what leases have ended of, until ctx ends.
func (s *Server) expire(ctx context.Context) {
	const pause = 20 * time.Millisecond
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	var next time.Time // no lease ends before
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if now.Before(next) {
				continue
			}
			// A lease that is given meanwhile ends later than that, or is
			// found a little late.
			next = now.Add(min(s.sweep(now), time.Second))
		}
	}
}

// sweep gives back whatever has ended and returns when to look again.
func (s *Server) sweep(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.length / 10
	if s.faults.hang {
		return again // a server that hangs does not look at its clock
	}
	ended := 0
	for _, l := range s.leases {
		if left := l.expires.Sub(now); left <= 0 {
			s.giveBack(l)
			ended++
		} else {
			again = min(again, left)
		}
	}
	if ended > 0 {
		s.finish()
		s.wake.Broadcast()
	}
	return again
}

// leave gives back what a closed connection held, and ends its streams.
func (s *Server) leave(conn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.streams {
		if st.conn == conn {
			st.end(nil)
		}
	}
	for _, l := range s.leases {
		if l.conn == conn {
			s.giveBack(l)
		}
	}
	s.finish()
	s.wake.Broadcast()
}
