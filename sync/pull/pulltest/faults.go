package pulltest

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/status"
)

// faults are what a test has set. They are guarded by the server's lock.
type faults struct {
	pulls    error // status
	acks     error // status
	silence  bool
	hang     bool
	dropAcks func(id string) bool
	storm    int
}

// set changes what the server does and wakes whoever waits.
func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.wake.Broadcast()
}

// rouse wakes whoever waits.
func (s *Server) rouse() { s.set(func() {}) }

// Lease sets how long a lease lasts at most from the delivery, and from an
// extension of up to 10 s, which is the least that the vendor's client asks
// for; extensions by more are granted as they are asked for. The client
// extends every 5 s at the soonest: leases of less than 6 s end however it
// tries. From a client that has seen messages take longer, longer extensions
// come, and less often.
func (s *Server) Lease(d time.Duration) { s.set(func() { s.length = d }) }

// FailPulls ends the open streams with err, and refuses new ones and unary
// pulls with it, until it is healed by nil. An err without a status is
// Unknown.
func (s *Server) FailPulls(err error) {
	s.set(func() {
		s.faults.pulls = withStatus(err)
		if err != nil {
			s.endStreams(err)
		}
	})
}

// FailAcks refuses acknowledgements, nacks and extensions of leases with err,
// until it is healed by nil.
func (s *Server) FailAcks(err error) { s.set(func() { s.faults.acks = withStatus(err) }) }

// ResetStreams ends the open streams with err, nil: as if all was well. What
// they delivered stays leased.
func (s *Server) ResetStreams(err error) { s.set(func() { s.endStreams(err) }) }

// Silence makes streams bring nothing though messages wait. They stay open and
// answer pings, new ones too, and unary pulls go on.
func (s *Server) Silence(on bool) { s.set(func() { s.faults.silence = on }) }

// Stall makes the streams that are open now bring nothing, answer no ping and
// not end, unless the client gives them up. New ones work.
func (s *Server) Stall() {
	s.set(func() {
		for st := range s.streams {
			st.stalled = true
		}
	})
}

// Hang makes the server freeze: it accepts calls and streams and answers
// nothing, on open streams either, and no lease ends. Healed, it goes on with
// whoever still waits.
func (s *Server) Hang(on bool) { s.set(func() { s.faults.hang = on }) }

// Down cuts every connection, and new ones as soon as they are made, until it
// is lifted: the server cannot be reached.
func (s *Server) Down(down bool) {
	for _, conn := range s.conns.down(down) {
		s.leave(conn)
	}
}

// DropAcks has acknowledgements of the messages for which f returns true get
// lost: they are answered and do not count, so that the message is delivered
// again when its lease ends. nil heals. f must not call the server.
func (s *Server) DropAcks(f func(id string) bool) { s.set(func() { s.faults.dropAcks = f }) }

// Storm delivers every message so many times more, acknowledged or not: those
// that were delivered already, and later ones after their first delivery. 0
// ends it for messages to come.
func (s *Server) Storm(copies int) {
	s.set(func() {
		s.faults.storm = copies
		for i := range s.messages {
			if s.messages[i].record.Deliveries > 0 {
				s.scatter(i)
			}
		}
		if s.copies > 0 {
			s.open()
		}
	})
}

// Shuffle delivers in random order from now on. Equal seeds give equal orders
// of equal backlogs.
func (s *Server) Shuffle(seed uint64) {
	s.set(func() {
		s.pending.rand = rand.New(rand.NewPCG(seed, seed))
		s.pending.draw()
	})
}

// endStreams ends the open streams. The caller holds s.mu.
func (s *Server) endStreams(err error) {
	for st := range s.streams {
		st.end(withStatus(err))
	}
}

func withStatus(err error) error {
	if err == nil {
		return nil
	}
	return status.Convert(err).Err()
}

// gate waits while the server hangs. The error is that of ctx.
func (s *Server) gate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.faults.hang {
		return nil
	}
	stop := context.AfterFunc(ctx, s.rouse)
	defer stop()
	for s.faults.hang && ctx.Err() == nil {
		s.wake.Wait()
	}
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}
