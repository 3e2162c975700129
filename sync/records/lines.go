package records

import "bytes"

// plainLine reports whether the present line, which begins with '{', is one
// record, and where it ends. It looks at little of it: at its last byte, at
// what is before each '{' in it, and at the next line's first byte. That is
// enough, whatever is between. If the line's brackets do not close before its
// end, it is a record as it stands, for no object can go on from a line that
// ends with '}' to one that begins with '{'. If they do, it is one as well,
// unless another '{' follows where they close.
func (r *Reader) plainLine() (int, bool) {
	if r.offset != r.start || r.spread {
		return 0, false
	}
	unread := r.buf[r.pos:min(r.pos+limit, len(r.buf))]
	end := bytes.IndexByte(unread, '\n')
	if end < 0 || end+1 == len(unread) || unread[end+1] != '{' {
		return 0, false
	}
	line := bytes.TrimRight(unread[:end], " \t\r")
	if line[len(line)-1] != '}' {
		return 0, false
	}
	for i := 1; ; i++ {
		n := bytes.IndexByte(line[i:], '{')
		if n < 0 {
			return end, true
		}
		i += n
		if before := bytes.TrimRight(line[:i], " \t\r"); closes(before[len(before)-1]) {
			return 0, false
		}
	}
}

func closes(c byte) bool { return c == '}' || c == ']' }

// wholeLine returns the record that is the present line, whose line feed is n
// bytes ahead, and goes to the next one.
func (r *Reader) wholeLine(n int) Record {
	line := r.buf[r.pos : r.pos+n+1]
	data := bytes.TrimRight(line, space)
	rec := Record{Data: data[:len(data):len(data)], Line: r.line, Offset: r.offset, Size: int64(len(data))}
	if r.gone != nil {
		r.gone(line)
	}
	r.pos += len(line)
	r.offset += int64(len(line))
	r.line++
	r.start, r.indent = r.offset, 0
	return rec
}

// A cutter finds where a range of a file is cut: at the first line that begins
// with an object that ends on it, and behind a line that ends with '}'. No
// value goes on from such a line to such a one, so that one record ends and
// another begins there whatever is around, and nothing before it matters for
// what follows. The object may have 1 MiB.
type cutter struct {
	at     int64 // of the next byte in the file
	last   byte  // the last byte that is not white space; 0: there was none
	lastAt int64 // where it is
	inside bool  // the next byte is not the first of a line
}

const maxCut = 1 << 20

// find is the step to the cut. If it is open, what comes behind the n bytes
// is wanted again, with more.
func (c *cutter) find(piece []byte) (n int, st status) {
	for {
		rest := piece[n:]
		if !c.inside && c.last == '}' {
			switch st := cutHere(rest); {
			case st == ended:
				return n, ended
			case st == open && len(rest) < maxCut:
				return n, open
			}
		}
		end := bytes.IndexByte(rest, '\n')
		if c.inside = end < 0; c.inside {
			c.pass(rest)
			return len(piece), open
		}
		c.pass(rest[:end+1])
		n += end + 1
	}
}

// pass goes past bytes in which there is no cut.
func (c *cutter) pass(b []byte) {
	if text := bytes.TrimRight(b, space); len(text) > 0 {
		c.last, c.lastAt = text[len(text)-1], c.at+int64(len(text))-1
	}
	c.at += int64(len(b))
}

// cutHere reports whether a line that goes on with rest begins with an object
// that ends on it.
func cutHere(rest []byte) status {
	if len(rest) == 0 {
		return open
	}
	if rest[0] != '{' {
		return invalid
	}
	b := brackets{oneLine: true}
	_, st := b.step(rest[:min(len(rest), maxCut)])
	return st
}

// lastCut returns the last place but the first in a buffer, which begins where
// a record does, at which a cutter would cut it, 0 if there is none.
func lastCut(buf []byte) int {
	for end := len(buf); ; {
		end = bytes.LastIndexByte(buf[:end], '\n')
		if end < 0 {
			return 0
		}
		if cutHere(buf[end+1:]) == ended {
			if text := bytes.TrimRight(buf[:end], space); len(text) > 0 && text[len(text)-1] == '}' {
				return end + 1
			}
		}
	}
}

// Splittable reports whether a file that begins so can be read in ranges: its
// first line is a JSON object. Head must have that line whole, so some 64 KiB
// or more.
func Splittable(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte{0xef, 0xbb, 0xbf})
	for {
		line, rest, found := bytes.Cut(head, []byte{'\n'})
		if !found {
			return false
		}
		if len(bytes.Trim(line, space)) > 0 {
			b := brackets{oneLine: true}
			n, st := b.step(line)
			return line[0] == '{' && st == ended && len(bytes.Trim(line[n:], space)) == 0
		}
		head = rest
	}
}
