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
	kind  byte // as [jsontext.Kind]: n f t " 0 { [
	flags nodeFlags
	key   keyID // of a key: which of the known ones it is; 0 is none of them
	start int32 // first byte of the value's text; an event is at most MaxPayload long
	end   int32 // behind its last byte
	next  int32 // node after this one and its descendants
}

// nodeFlags are what is known of a value's text.
type nodeFlags uint8

const (
	escaped nodeFlags = 1 << iota // a string with at least one backslash

	// The text is what appendJSON makes of it, whatever becomes of numbers, so
	// that it can be copied as it stands; that of a scalar is its canonical form
	// too. It need not be set where it could be.
	compact
)

// isScalar reports whether a node is no container.
func (n *node) isScalar() bool { return n.kind != '{' && n.kind != '[' }

// A reader finds the nodes of JSON texts with the library's decoder, which
// decides what is valid: one pass over the tokens gives both.
type reader struct {
	decoder *jsontext.Decoder
	buffer  bytes.Buffer
	open    []int // nodes of the containers that are open
}

// read appends the nodes of src to nodes if src is exactly one JSON text in
// valid UTF-8 without duplicate keys, nested no deeper than [MaxDepth].
func (r *reader) read(nodes []node, src []byte) ([]node, *Rejection) {
	r.reset(src)
	nodes, err := r.value(nodes)
	deep := errors.Is(err, errTooDeep)
	if deep { // a text that is no JSON is invalid rather than too deep
		r.reset(src)
		err = r.decoder.SkipValue()
	}
	if err != nil {
		return nodes, r.rejection(src, err)
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nodes, invalid("data after the value", r.decoder.InputOffset())
	}
	if deep {
		return nodes, tooDeep()
	}
	return nodes, nil
}

func (r *reader) reset(src []byte) {
	r.buffer = *bytes.NewBuffer(src) // the decoder reads a buffer's bytes in place
	if r.decoder == nil {
		r.decoder = jsontext.NewDecoder(&r.buffer)
	} else {
		r.decoder.Reset(&r.buffer)
	}
	r.open = r.open[:0]
}

// errTooDeep ends reading at a value that is too deep.
var errTooDeep = errors.New("too deep")

func (r *reader) value(nodes []node) ([]node, error) {
	dec := r.decoder
	for {
		switch kind := dec.PeekKind(); kind {
		case '{', '[':
			if len(r.open) == MaxDepth {
				return nodes, errTooDeep
			}
			if _, err := dec.ReadToken(); err != nil {
				return nodes, err
			}
			r.open = append(r.open, len(nodes))
			nodes = append(nodes, node{kind: byte(kind), start: int32(dec.InputOffset()) - 1})
			continue
		case '}', ']':
			if _, err := dec.ReadToken(); err != nil {
				return nodes, err
			}
			last := len(r.open) - 1
			n := &nodes[r.open[last]]
			r.open = r.open[:last]
			n.end, n.next = int32(dec.InputOffset()), int32(len(nodes))
		default:
			v, err := dec.ReadValue()
			if err != nil {
				return nodes, err
			}
			end := int32(dec.InputOffset())
			n := node{kind: byte(kind), start: end - int32(len(v)), end: end, next: int32(len(nodes) + 1)}
			if kind == '"' && bytes.IndexByte(v, '\\') >= 0 {
				n.flags = escaped
			}
			nodes = append(nodes, n)
		}
		if len(r.open) == 0 {
			return nodes, nil
		}
	}
}

// rejection says what the decoder's error means. Its own words are not used:
// they quote the text.
func (r *reader) rejection(src []byte, err error) *Rejection {
	var syntax *jsontext.SyntacticError
	at := r.decoder.InputOffset()
	if errors.As(err, &syntax) {
		at = syntax.ByteOffset
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return invalid("duplicate key", at)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return invalid("ends too early", int64(len(src)))
	case syntax != nil && syntax.Err != nil && syntax.Err.Error() == "exceeded max depth" && balanced(src):
		// The library stops at 10,000 levels; what is left are the brackets.
		return tooDeep()
	case syntax != nil && syntax.Err != nil && syntax.Err.Error() == "invalid UTF-8":
		return invalid("invalid UTF-8", at)
	default:
		return invalid("syntax error", at)
	}
}

func invalid(cause string, at int64) *Rejection {
	return &Rejection{Reason: JSONInvalid, Stage: StageDecode, Cause: cause, Detail: fmt.Sprintf("at byte %d", at)}
}

func tooDeep() *Rejection {
	return &Rejection{Reason: JSONTooDeep, Stage: StageDecode, Cause: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
}

// stringEnd returns the place behind the string that starts at src[i].
func stringEnd(src []byte, i int) int {
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '"':
			return j + 1
		case '\\':
			j++
		}
	}
	return len(src)
}

// balanced reports whether every bracket of src outside strings is closed by
// its like and nothing follows the first value.
func balanced(src []byte) bool {
	var open []byte
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			i = stringEnd(src, i) - 1
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
	if n.flags&escaped == 0 {
		return raw[1 : len(raw)-1]
	}
	return appendUnquoted(nil, raw)
}

// appendUnquoted appends the characters of a JSON string.
func appendUnquoted(dst, raw []byte) []byte {
	dst, err := jsontext.AppendUnquote(dst, raw)
	if err != nil {
		panic("transform: unquote a string that was found valid: " + err.Error())
	}
	return dst
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
	if n.flags&compact != 0 {
		return append(dst, src[n.start:n.end]...)
	}
	switch n.kind {
	case '"':
		if n.flags&escaped != 0 {
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
