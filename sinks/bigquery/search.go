package bigquery

import "leadsync/sinks"

// A search finds one bad row of a failed request whose answer names nobody,
// by elimination: the first half of the candidates is sent, and nothing else.
// If that goes through the bad row is in the other half, which need not be
// sent to know it; if it fails, the other half waits until the row is found.
// With a single bad row among n that makes ⌈log2 n⌉ requests and one more for
// those that waited.
//
// Rows before lo are written. Those in [lo, hi) are known to hold a bad row,
// because a request of nothing else and of rows that went through later has
// failed. Those from hi on wait; of them nothing is known.
type search struct {
	all    request
	lo, hi int
	mid    int // rows in [lo, mid) are under way
}

// find begins the search for a bad row of a request of two rows at least.
func (w *write) find(r request) {
	r.search = nil
	s := &search{all: r, hi: len(r.rows)}
	w.narrow(s)
}

// answered is told what became of the search's request under way. alone says
// that it had a connection to itself, and then the next ones get that, too.
func (w *write) answered(s *search, durable, alone bool) {
	s.all.alone = alone
	if durable {
		s.lo = s.mid
	} else {
		s.hi = s.mid
	}
	w.narrow(s)
}

// narrow sends the next half of the candidates, or ends the search.
func (w *write) narrow(s *search) {
	switch n := len(s.all.rows); {
	case s.hi-s.lo > 1:
		s.mid = s.lo + (s.hi-s.lo)/2
		test := s.all.part(s.lo, s.mid)
		test.search = s
		w.again(test, sinks.Data)
	case s.hi == n:
		// No request but the first speaks against the row, and that may have
		// failed for some other cause.
		w.again(s.all.part(s.lo, n), sinks.Data)
	default:
		w.refuse(s.all.at(s.lo), unnamed)
		rest := s.all.part(s.hi, n)
		rest.searched = true
		w.again(rest, sinks.Data)
	}
}
