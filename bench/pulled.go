package main

import (
	"fmt"
	"slices"
	"time"
)

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
