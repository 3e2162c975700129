package transform

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// scan appends the nodes of src to nodes and reports whether src is one JSON
// text, nested no deeper than [MaxDepth]. It accepts only what the library
// accepts, but for duplicate keys, which the canonical form finds; what it does
// not accept the library judges anew. It takes half of the library's time on an
// ordinary event.
func scan(nodes []node, src []byte) ([]node, bool) {
	var stack [MaxDepth]int
	open := stack[:0] // nodes of the containers that are open
	want := wantValue
	for i := 0; i < len(src); {
		c := src[i]
		if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		switch {
		case want == wantComma && c == ',':
			want = wantValue
			if nodes[open[len(open)-1]].kind == '{' {
				want = wantKey
			}
			i++
			continue
		case want == wantColon && c == ':':
			want = wantValue
			i++
			continue
		case (c == '}' || c == ']') && (want == wantComma || want == wantKeyOrEnd || want == wantValueOrEnd):
			last := len(open) - 1
			if last < 0 || nodes[open[last]].kind != c-2 { // '{' and '[' stand two before their ends
				return nodes, false
			}
			i++
			n := &nodes[open[last]]
			open = open[:last]
			n.end, n.next = int32(i), int32(len(nodes))
		case c == '"' && want != wantComma && want != wantColon:
			end, escaped := scanString(src, i)
			if end < 0 {
				return nodes, false
			}
			nodes = append(nodes, node{kind: '"', escaped: escaped, start: int32(i), end: int32(end), next: int32(len(nodes) + 1)})
			i = end
			if want == wantKey || want == wantKeyOrEnd {
				want = wantColon
				continue
			}
		case want != wantValue && want != wantValueOrEnd:
			return nodes, false
		case c == '{' || c == '[':
			if len(open) == MaxDepth {
				return nodes, false
			}
			open = append(open, len(nodes))
			nodes = append(nodes, node{kind: c, start: int32(i)})
			i++
			want = wantValueOrEnd
			if c == '{' {
				want = wantKeyOrEnd
			}
			continue
		default:
			kind, end := scanScalar(src, i)
			if end < 0 {
				return nodes, false
			}
			nodes = append(nodes, node{kind: kind, start: int32(i), end: int32(end), next: int32(len(nodes) + 1)})
			i = end
		}
		if len(open) == 0 {
			return nodes, len(bytes.TrimLeft(src[i:], " \n\t\r")) == 0
		}
		want = wantComma
	}
	return nodes, false
}

// What the grammar wants next.
const (
	wantValue      = iota
	wantValueOrEnd // behind [
	wantKey
	wantKeyOrEnd // behind {
	wantColon
	wantComma // or the end of the container
)

// scanString returns the place behind the string that begins at src[i], and
// whether it has an escape; -1 if it is none.
func scanString(src []byte, i int) (end int, escaped bool) {
	ascii := true
	for j := i + 1; j < len(src); j++ {
		c := src[j]
		if plain[c] {
			continue
		}
		switch {
		case c == '"':
			raw := src[i : j+1]
			if !ascii && !utf8.Valid(raw) {
				return -1, false
			}
			if escaped {
				var scratch [128]byte
				if _, err := jsontext.AppendUnquote(scratch[:0], raw); err != nil {
					return -1, false
				}
			}
			return j + 1, escaped
		case c == '\\':
			escaped = true
			j++
		case c >= utf8.RuneSelf:
			ascii = false
		default: // a control character
			return -1, false
		}
	}
	return -1, false
}

// plain are the bytes that mean nothing but themselves within a string.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// scanScalar returns the kind of the literal or number that begins at src[i]
// and the place behind it; -1 if it is none.
func scanScalar(src []byte, i int) (kind byte, end int) {
	for _, literal := range [...]string{"null", "true", "false"} {
		if src[i] == literal[0] {
			if end = i + len(literal); end > len(src) || string(src[i:end]) != literal {
				return 0, -1
			}
			return literal[0], end
		}
	}
	if src[i] == '-' {
		i++
	}
	if i < len(src) && src[i] == '0' {
		i++
	} else if i = scanDigits(src, i); i < 0 {
		return 0, -1
	}
	if i < len(src) && src[i] == '.' {
		if i = scanDigits(src, i+1); i < 0 {
			return 0, -1
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if i = scanDigits(src, i); i < 0 {
			return 0, -1
		}
	}
	return '0', i
}

// scanDigits returns the place behind the digits at src[i], -1 if there is none.
func scanDigits(src []byte, i int) int {
	start := i
	for i < len(src) && '0' <= src[i] && src[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
