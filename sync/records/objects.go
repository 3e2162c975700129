package records

import "bytes"

// nextObject reads the next record of a stream of objects: NDJSON, or objects
// one after the other, spread over lines or not. A line that does not begin
// with an object is a record as it stands.
func (r *Reader) nextObject() (Record, error) {
	if !r.skipSpace() {
		return Record{}, r.end()
	}
	if r.buf[r.pos] != '{' {
		return r.restOfLine()
	}
	if n, ok := r.plainLine(); ok {
		return r.wholeLine(n), nil
	}
	// The usual case, an object on one line, needs no more than its
	// brackets. With something else than objects beside it the line is one
	// malformed record.
	b := brackets{oneLine: true}
	if n, st := r.extent(0, b.step); st == ended {
		r.spread = false
		if r.standsAlone(n) {
			return r.record(n), nil
		}
		return r.restOfLine()
	}
	var s scanner
	n, st := r.extent(0, s.scan)
	switch {
	case st == ended:
		r.spread = true
		return r.record(n), nil
	case st == large:
		return r.largeObject(n, &s)
	case r.broken():
		return Record{}, r.end()
	default:
		return r.malformed(n)
	}
}

// standsAlone reports whether nothing but another object follows on the line
// after the first n bytes.
func (r *Reader) standsAlone(n int) bool {
	n, st := r.extent(n, blankEnd)
	return st == open || st == ended && (r.buf[r.pos+n] == '\n' || r.buf[r.pos+n] == '{')
}

// restOfLine returns the present line's rest as a record.
func (r *Reader) restOfLine() (Record, error) {
	n, st := r.extent(0, lineEnd)
	switch {
	case st == large:
		rec, _, err := r.skim(n, lineEnd)
		return rec, err
	case st == open && r.broken():
		return Record{}, r.end()
	default:
		return r.record(n), nil
	}
}

// largeObject reads an object that is too large to be kept, of which n bytes
// were read.
func (r *Reader) largeObject(n int, s *scanner) (Record, error) {
	line, indent := r.line, r.indent
	rec, st, err := r.skim(n, s.scan)
	if st == invalid {
		end := lineEnd
		if r.line != line {
			column := r.offset - r.start
			end = (&objectEnd{indent: indent, inside: column > indent, width: column}).step
		}
		r.swallow(&rec, end)
	}
	return rec, err
}

// malformed returns the record of an object that is malformed after n bytes.
// It must end early enough to leave the next record whole, and late enough
// not to leave a piece of itself behind.
func (r *Reader) malformed(n int) (Record, error) {
	first := bytes.IndexByte(r.buf[r.pos:r.pos+n], '\n')
	if first < 0 {
		return r.restOfLine()
	}
	if alone := len(bytes.TrimRight(r.buf[r.pos:r.pos+first], space)) == 1; !alone && !r.spread {
		return r.record(first), nil // lines are records here
	}
	end := objectEnd{indent: r.indent}
	n, st := r.extent(first, end.step)
	if st == large {
		rec, _, err := r.skim(n, end.step)
		return rec, err
	}
	return r.record(n), nil
}
