package records

import (
	"io"
	"slices"
)

// A span is a reader of the bytes of a file from the cut of one place up to the
// cut of another. Its src stands at the first of the two places.
type span struct {
	src io.Reader
	at  int64 // of the next byte in the file
	end int64 // the second place; 0: the end of the input

	ahead []byte // read of src and not yet given out, from at on
	ready int    // how many of them are within the span
	cut   *cutter

	failed error // why src gives no more
	err    error // the same, or that the span ends, once all that is ready is given out
}

// from goes to the span's first byte, from the first place, and returns where
// it is.
func (s *span) from(start int64) int64 {
	s.at = start
	if start == 0 {
		return 0
	}
	c := cutter{at: start, inside: true}
	for s.err == nil {
		n, st := c.find(s.ahead)
		s.at, s.ahead = c.at, s.ahead[:copy(s.ahead, s.ahead[n:])]
		if s.end > 0 && c.lastAt >= s.end {
			s.err = io.EOF // the end has the same cut
		} else if st == ended {
			return s.at
		} else {
			s.more()
		}
	}
	s.ahead = nil
	return s.at
}

// Read reads what belongs to the span.
func (s *span) Read(p []byte) (int, error) {
	for s.ready == 0 {
		switch {
		case s.err != nil:
			return 0, s.err
		case s.end > 0 && s.at >= s.end:
			s.toCut()
		case len(s.ahead) > 0:
			s.ready = len(s.ahead)
			if s.end > 0 {
				s.ready = int(min(int64(s.ready), s.end-s.at))
			}
		default:
			if s.end > 0 {
				p = p[:min(int64(len(p)), s.end-s.at)]
			}
			n, err := s.read(p)
			s.at, s.err = s.at+int64(n), err
			return n, err
		}
	}
	n := copy(p, s.ahead[:s.ready])
	s.ahead = s.ahead[:copy(s.ahead, s.ahead[n:])]
	s.ready -= n
	s.at += int64(n)
	return n, nil
}

// toCut finds how much of what comes behind the second place is before its
// cut.
func (s *span) toCut() {
	if s.cut == nil {
		s.cut = &cutter{at: s.at, inside: true}
	}
	n, st := s.cut.find(s.ahead)
	switch s.ready = n; {
	case st == ended:
		s.ahead, s.err = s.ahead[:n], io.EOF
	case n == 0:
		if s.more(); s.err != nil {
			s.ready = len(s.ahead)
		}
	}
}

// more reads more of src ahead.
func (s *span) more() {
	s.ahead = slices.Grow(s.ahead, 64<<10)
	n, err := s.read(s.ahead[len(s.ahead):cap(s.ahead)])
	s.ahead, s.err = s.ahead[:len(s.ahead)+n], err
}

// read reads src. An error comes without bytes.
func (s *span) read(p []byte) (int, error) {
	for range 100 {
		if s.failed != nil {
			return 0, s.failed
		}
		n, err := s.src.Read(p)
		s.failed = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.ErrNoProgress
}
