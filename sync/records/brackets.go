package records

import (
	"encoding/binary"
	"math/bits"
)

// brackets finds the end of a value by its brackets alone, whatever is between
// them; it knows strings. It is quicker than a scanner, and finds the end of
// most malformed values. A line feed within a string is invalid.
type brackets struct {
	oneLine bool // a line feed is invalid everywhere
	depth   int
	quoted  bool // within a string
	escaped bool // right after a backslash
}

// marks says which bytes mean something outside of strings.
var marks = [256]bool{'"': true, '{': true, '[': true, '}': true, ']': true, '\n': true}

// step is the step to the end of the value, which begins with a bracket.
func (b *brackets) step(piece []byte) (int, status) {
	i := 0
	if b.quoted {
		n, st := b.text(piece)
		if st != ended {
			return n, st
		}
		i = n
	}
	depth := b.depth
	for ; i < len(piece); i++ {
		c := piece[i]
		if !marks[c] {
			continue
		}
		switch c {
		case '"':
			if i += plainText(piece[i+1:]) + 1; i < len(piece) && piece[i] == '"' {
				continue
			}
			n, st := b.text(piece[i:])
			if i += n; st != ended {
				b.depth = depth
				return i, st
			}
			i--
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, ended
			}
		case '\n':
			if b.oneLine {
				return i, invalid
			}
		}
	}
	b.depth = depth
	return i, open
}

// plainText returns how many bytes of a string's rest come before a quote, a
// backslash or a control character, rounded down to eight near the end.
func plainText(piece []byte) int {
	i := 0
	for ; i+8 <= len(piece); i += 8 {
		if n := special(binary.LittleEndian.Uint64(piece[i:])); n < 8 {
			return i + n
		}
	}
	return i
}

// text is the step behind a string's closing quote, from within it.
func (b *brackets) text(piece []byte) (int, status) {
	b.quoted = true
	for i := 0; i < len(piece); i++ {
		if !b.escaped {
			if i += stringEnd(piece[i:]); i == len(piece) {
				break
			}
		}
		switch c := piece[i]; {
		case c == '\n':
			return i, invalid
		case b.escaped:
			b.escaped = false
		case c == '\\':
			b.escaped = true
		case c == '"':
			b.quoted = false
			return i + 1, ended
		}
	}
	return len(piece), open
}

// stringEnd returns where in a string's rest a quote, a backslash or a control
// character comes first, its length if nowhere. It looks at eight bytes at a
// time: strings are most of an event.
func stringEnd(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if n := special(binary.LittleEndian.Uint64(b[i:])); n < 8 {
			return i + n
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// special returns which of eight bytes is the first quote, backslash or control
// character, 8 if none is.
func special(x uint64) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^('"'*ones), x^('\\'*ones)
	// The lowest top bit set marks the first byte that is zero in quote or
	// slash, or below a space in x.
	return bits.TrailingZeros64(((quote-ones)&^quote|(slash-ones)&^slash|(x-' '*ones)&^x)&tops) / 8
}
