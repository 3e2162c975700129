package main

import (
	"fmt"
	"slices"
	"time"

	"leadsync/sync/pull/pulltest"
)

// Pulled is how the messages of a subscription fared.
type Pulled struct {
	Messages, Unacked, Nacks, Repeats, Excess int
	Took                                      time.Duration // from the first delivery to the last acknowledgement
	P50, P99, Max                             time.Duration // from a message's first delivery to its acknowledgement
}

// pulled returns the state of things.
func pulled(s *pulltest.Server) Pulled {
	stats := s.Stats()
	p := Pulled{Messages: stats.Messages, Unacked: stats.Unacked, Nacks: stats.Nacks, Repeats: stats.Redelivered}
	if stats.Unacked == 0 {
		p.Took = stats.Last.Sub(stats.First)
	}
	took := make([]time.Duration, 0, stats.Messages)
	s.Each(func(r pulltest.Record) {
		if r.Acks > 0 {
			took = append(took, r.AckedAfter)
			p.Excess += r.Acks - 1
		}
	})
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
