package records

import (
	"bytes"
	"io"
)

// space is JSON's white space.
const space = " \t\r\n"

// more reads more input to the end of the buffer and reports whether there
// was any. Places counted from pos stay as they are.
func (r *Reader) more() bool {
	if r.err != nil {
		return false
	}
	if len(r.buf) == cap(r.buf) {
		r.makeRoom()
	}
	n := r.fill(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	return n > 0
}

// fill reads more input to p and returns how much, 0 if there is no more.
func (r *Reader) fill(p []byte) int {
	for range 100 {
		n, err := r.src.Read(p)
		r.err = err
		if n > 0 || err != nil {
			return n
		}
	}
	r.err = io.ErrNoProgress
	return 0
}

// makeRoom moves what is unread to the front of the buffer, of a larger one
// if it takes three quarters of this one, which ends at 16 MiB. Records handed
// out before are overwritten.
func (r *Reader) makeRoom() {
	unread := r.buf[r.pos:]
	to := r.buf[:0]
	if len(unread) >= cap(r.buf)/4*3 {
		to = make([]byte, 0, max(256<<10, 2*cap(r.buf)))
	}
	r.buf = append(to, unread...)
	r.pos = 0
}

// peek returns the next n bytes, fewer at the end of the input.
func (r *Reader) peek(n int) []byte {
	for len(r.buf)-r.pos < n && r.more() {
	}
	return r.buf[r.pos:min(r.pos+n, len(r.buf))]
}

// advance goes past n bytes.
func (r *Reader) advance(n int) {
	gone := r.buf[r.pos : r.pos+n]
	if r.gone != nil {
		r.gone(gone)
	}
	if lines := bytes.Count(gone, []byte{'\n'}); lines > 0 {
		r.line += lines
		r.start = r.offset + int64(bytes.LastIndexByte(gone, '\n')) + 1
	}
	r.pos += n
	r.offset += int64(n)
}

// skipSpace goes past white space and reports whether anything follows.
func (r *Reader) skipSpace() bool {
	line, fresh := r.start, r.offset == r.start
	if r.pass(spaceEnd) == open {
		return false
	}
	if fresh || r.start != line {
		r.indent = r.offset - r.start
	}
	return true
}

// A step looks for the end of something in one piece of input after the
// other. It returns how many bytes of the piece come before the end: all of
// them while the end is still open.
type step func(piece []byte) (n int, st status)

// status says what became of the search for an end.
type status uint8

const (
	open    status = iota // not found yet
	ended                 // found
	invalid               // it cannot be found: what was read is malformed there
	large                 // it is further away than a record is kept
)

// pass goes past the input up to the end that step finds and returns how that
// search ended.
func (r *Reader) pass(step step) status {
	for {
		n, st := step(r.buf[r.pos:])
		r.advance(n)
		if st != open || !r.more() {
			return st
		}
	}
}

// extent looks for an end from the given byte of the record at the present
// place on, and returns where it is, counted from the record's start. Everything
// before it is in the buffer then. If it is open, the input has ended.
func (r *Reader) extent(from int, step step) (int, status) {
	return r.find(from, max(limit+1, from+sight), step)
}

// sight is how far behind a record is looked for what follows it.
const sight = 64 << 10

// find is extent with the place from which on an end is too far away: what is
// found depends on the input alone, not on how much of it was read at once.
func (r *Reader) find(from, most int, step step) (int, status) {
	for {
		n, st := step(r.buf[r.pos+from : min(r.pos+most, len(r.buf))])
		from += n
		if st == open && from == most {
			return from, large
		}
		if st != open || !r.more() {
			return from, st
		}
	}
}

// lineEnd is the step to the next line feed.
func lineEnd(piece []byte) (int, status) {
	if i := bytes.IndexByte(piece, '\n'); i >= 0 {
		return i, ended
	}
	return len(piece), open
}

// spaceEnd is the step to what is not white space.
func spaceEnd(piece []byte) (int, status) {
	for i, c := range piece {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return i, ended
		}
	}
	return len(piece), open
}

// blankEnd is the step to what is neither blank nor a carriage return.
func blankEnd(piece []byte) (int, status) {
	for i, c := range piece {
		if c != ' ' && c != '\t' && c != '\r' {
			return i, ended
		}
	}
	return len(piece), open
}

// objectEnd is the step, from within a malformed pretty-printed object, to
// the end of it: before a line that begins with '{', or after a '}' that
// begins a line, neither indented further than the object was.
type objectEnd struct {
	indent int64 // of the object
	inside bool  // the line's indentation was read
	width  int64 // of the line's indentation so far
}

func (e *objectEnd) step(piece []byte) (int, status) {
	for i := 0; i < len(piece); i++ {
		switch c := piece[i]; {
		case c == '\n':
			e.inside, e.width = false, 0
		case e.inside:
			n, st := lineEnd(piece[i:])
			if st == open {
				return len(piece), open
			}
			i += n - 1
		case c == ' ' || c == '\t' || c == '\r':
			e.width++
		case c == '{' && e.width <= e.indent:
			return i, ended
		case c == '}' && e.width <= e.indent:
			return i + 1, ended
		default:
			e.inside = true
		}
	}
	return len(piece), open
}
