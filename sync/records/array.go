package records

import (
	"fmt"
	"io"
)

// nextElement reads the next element of an array of events; the reader is
// behind the array's opening bracket or an element, or before one. An element
// that is malformed is a record as it stands as long as its brackets tell where
// it ends; so of most elements they are all that is looked at.
func (r *Reader) nextElement() (Record, error) {
	if !r.before {
		if err := r.toElement(); err != nil {
			return Record{}, err
		}
		r.opened, r.before = true, true
	}
	if n, ok := r.balanced(); ok {
		r.before = false
		return r.record(n), nil
	}
	var s scanner
	n, st := r.extent(0, s.scan)
	switch st {
	case ended:
		r.before = false
		return r.record(n), nil
	case open:
		return Record{}, r.cutShort()
	case large:
		rec, st, err := r.skim(n, s.scan)
		switch {
		case err != nil:
			return Record{}, err
		case st == ended:
			r.before = false
			return rec, nil
		case st == open:
			return Record{}, r.cutShort()
		}
	case invalid:
		r.advance(n)
	}
	return Record{}, r.expected(s.expect.String())
}

// toElement goes to the start of the next element. The error is io.EOF if
// there is none.
func (r *Reader) toElement() error {
	if !r.skipSpace() {
		return r.cutShort()
	}
	switch c := r.buf[r.pos]; {
	case c == ']':
		r.advance(1)
		if r.skipSpace() {
			return r.expected("nothing after the array")
		}
		return r.end()
	case !r.opened:
		return nil
	case c != ',':
		return r.expected("',' or ']'")
	}
	r.advance(1)
	if !r.skipSpace() {
		return r.cutShort()
	}
	return nil
}

// balanced returns where the element ends by its brackets, if the array goes
// on there.
func (r *Reader) balanced() (int, bool) {
	if c := r.buf[r.pos]; c != '{' && c != '[' {
		return 0, false
	}
	var b brackets
	n, st := r.extent(0, b.step)
	if st != ended {
		return 0, false
	}
	next, st := r.extent(n, spaceEnd)
	return n, st == ended && (r.buf[r.pos+next] == ',' || r.buf[r.pos+next] == ']')
}

// expected returns the error of an array that is malformed at the present place.
func (r *Reader) expected(what string) error {
	return fmt.Errorf("array of events is malformed at offset %d, line %d: %s expected", r.offset, r.line, what)
}

// cutShort returns the error of an array that the input's end cut short.
func (r *Reader) cutShort() error {
	if r.broken() {
		return r.end()
	}
	return fmt.Errorf("array of events is cut short at offset %d: %w",
		r.offset+int64(len(r.buf)-r.pos), io.ErrUnexpectedEOF)
}
