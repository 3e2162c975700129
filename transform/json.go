package transform

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxPayload is the size of an event above which it is not decoded, in bytes.
	MaxPayload = 10 << 20

	// MaxDepth is how deep an event's arrays and objects may be nested; the
	// event's own object is the first level.
	MaxDepth = 100
)

// A node is one value, or one key, of a JSON text. The nodes of a text stand
// in the order of the text: an object is followed by key, value, key, value
// and so on, an array by its elements, each by its own descendants.
type node struct {
	kind    byte  // as [jsontext.Kind]: n f t " 0 { [
	escaped bool  // a string with at least one backslash
	start   int32 // first byte of the value's text; an event is at most MaxPayload long
	end     int32 // behind its last byte
	next    int32 // node after this one and its descendants
}

// index makes the nodes of src, a JSON text without leading white space that
// has been found valid, appending to nodes. It returns the depth reached and
// stops early where that exceeds [MaxDepth].
//
// Validity is the library's to decide; here only boundaries are looked for,
// which costs a fifth of walking the library's tokens.
func index(nodes []node, src []byte) ([]node, int) {
	var open [MaxDepth + 1]int // nodes of the containers that are open
	depth, deepest := 0, 0
	for i := 0; i < len(src); {
		c := src[i]
		switch c {
		case ' ', '\t', '\n', '\r', ',', ':':
			i++
			continue
		case '{', '[':
			depth++
			if depth > deepest {
				deepest = depth
			}
			if depth > MaxDepth {
				return nodes, depth
			}
			open[depth] = len(nodes)
			nodes = append(nodes, node{kind: c, start: int32(i)})
			i++
			continue
		case '}', ']':
			i++
			n := &nodes[open[depth]]
			n.end, n.next = int32(i), int32(len(nodes))
			depth--
			continue
		case '"':
			end, escaped := stringEnd(src, i)
			nodes = append(nodes, node{kind: '"', escaped: escaped, start: int32(i), end: int32(end), next: int32(len(nodes) + 1)})
			i = end
			continue
		}
		start := i
		switch c {
		case 'n', 't':
			i += len("null")
		case 'f':
			i += len("false")
		default:
			for i < len(src) && isNumberByte(src[i]) {
				i++
			}
			c = '0'
		}
		nodes = append(nodes, node{kind: c, start: int32(start), end: int32(i), next: int32(len(nodes) + 1)})
	}
	return nodes, deepest
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// stringEnd returns the place behind the string that starts at src[i], and
// whether it has an escape.
func stringEnd(src []byte, i int) (end int, escaped bool) {
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '"':
			return j + 1, escaped
		case '\\':
			escaped = true
			j++
		}
	}
	return len(src), escaped
}

// validate returns nil if src is exactly one JSON text in valid UTF-8 without
// duplicate keys, at any depth the library reads.
func validate(src []byte) *Rejection {
	if jsontext.Value(src).IsValid() {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(src))
	err := dec.SkipValue()
	if err == nil {
		if _, err = dec.ReadToken(); err == io.EOF {
			return nil
		}
		return invalid("data after the value", dec.InputOffset())
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		errors.As(err, &syntax)
		return invalid("duplicate key", offset(syntax))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return invalid("ends too early", int64(len(src)))
	case errors.As(err, &syntax):
		// The library stops at 10,000 levels. The text is too deep unless
		// it is no JSON at all, which its brackets tell.
		if syntax.Err != nil && syntax.Err.Error() == "exceeded max depth" && balanced(src) {
			return tooDeep()
		}
		if syntax.Err != nil && syntax.Err.Error() == "invalid UTF-8" {
			return invalid("invalid UTF-8", syntax.ByteOffset)
		}
		return invalid("syntax error", syntax.ByteOffset)
	default:
		return invalid("syntax error", dec.InputOffset())
	}
}

func offset(err *jsontext.SyntacticError) int64 {
	if err == nil {
		return 0
	}
	return err.ByteOffset
}

func invalid(cause string, at int64) *Rejection {
	return &Rejection{Reason: JSONInvalid, Stage: StageDecode, Cause: cause, Detail: fmt.Sprintf("at byte %d", at)}
}

func tooDeep() *Rejection {
	return &Rejection{Reason: JSONTooDeep, Stage: StageDecode, Cause: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
}

// balanced reports whether every bracket of src outside strings is closed by
// its like and nothing follows the first value.
func balanced(src []byte) bool {
	var open []byte
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			end, _ := stringEnd(src, i)
			i = end - 1
		case '{':
			open = append(open, '}')
		case '[':
			open = append(open, ']')
		case '}', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return false
			}
			open = open[:len(open)-1]
			if len(open) == 0 {
				return len(bytes.TrimLeft(src[i+1:], " \t\r\n")) == 0
			}
		}
	}
	return false
}

// text returns the characters of a string node: a part of src, or for a
// string with escapes new bytes.
func text(src []byte, n *node) []byte {
	raw := src[n.start:n.end]
	if !n.escaped {
		return raw[1 : len(raw)-1]
	}
	out, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		panic("transform: unquote a string that was found valid: " + err.Error())
	}
	return out
}

// appendString appends v, which is valid UTF-8, as a JSON string with no more
// escapes than needed.
func appendString(dst, v []byte) []byte {
	dst, err := jsontext.AppendQuote(dst, v)
	if err != nil {
		panic("transform: quote text that was found valid: " + err.Error())
	}
	return dst
}

// numbers says what becomes of a number in JSON text.
type numbers bool

const (
	asSent     numbers = false // digit for digit
	asBigQuery numbers = true  // one that BigQuery's JSON type cannot hold becomes a string of its digits
)

// appendJSON appends the value at node i as JSON text: keys in the order sent,
// no white space, no needless escapes.
func appendJSON(dst, src []byte, nodes []node, i int, nums numbers) []byte {
	n := &nodes[i]
	switch n.kind {
	case '"':
		if n.escaped {
			return appendString(dst, text(src, n))
		}
		return append(dst, src[n.start:n.end]...)
	case '0':
		lit := src[n.start:n.end]
		if nums == asBigQuery && !fitsJSON(lit) {
			return appendString(dst, lit)
		}
		return append(dst, lit...)
	case '{':
		dst = append(dst, '{')
		for j := i + 1; j < int(n.next); {
			if j > i+1 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, src, nodes, j, nums)
			dst = append(dst, ':')
			dst = appendJSON(dst, src, nodes, j+1, nums)
			j = int(nodes[j+1].next)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for j := i + 1; j < int(n.next); j = int(nodes[j].next) {
			if j > i+1 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, src, nodes, j, nums)
		}
		return append(dst, ']')
	default:
		return append(dst, src[n.start:n.end]...)
	}
}
