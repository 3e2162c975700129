package transform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// The reference implementation reads JSON into a tree and works on that: slow,
// and simple enough to be checked by eye against the data model.

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// node is a JSON value with the order of keys and the literals of numbers kept.
type node struct {
	kind  kind
	text  string   // a number's or boolean's literal, or the string itself
	keys  []string // of an object, in the order sent
	elems []*node  // of an array, or the values of an object's keys
}

// parse reads JSON text that is known to be valid.
func parse(b []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return parseNext(d)
}

func parseNext(d *json.Decoder) (*node, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case nil:
		return &node{kind: null}, nil
	case bool:
		return &node{kind: boolean, text: strconv.FormatBool(tok)}, nil
	case json.Number:
		return &node{kind: number, text: tok.String()}, nil
	case string:
		return &node{kind: text, text: tok}, nil
	case json.Delim:
		n := &node{kind: array}
		if tok == '{' {
			n.kind = object
		}
		for d.More() {
			if n.kind == object {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				n.keys = append(n.keys, key.(string))
			}
			elem, err := parseNext(d)
			if err != nil {
				return nil, err
			}
			n.elems = append(n.elems, elem)
		}
		_, err := d.Token()
		return n, err
	default:
		return nil, fmt.Errorf("token %T", tok)
	}
}

// get returns the value of the object's key; nil if it has none, or if n is
// no object.
func (n *node) get(key string) *node {
	if n == nil || n.kind != object {
		return nil
	}
	for i, k := range n.keys {
		if k == key {
			return n.elems[i]
		}
	}
	return nil
}

// set appends a key, without looking whether there is one already.
func (n *node) set(key string, v *node) {
	n.keys, n.elems = append(n.keys, key), append(n.elems, v)
}

// empty reports whether v is what the source sends for nothing: an absent key,
// null or "".
func (n *node) empty() bool {
	return n == nil || n.kind == null || n.kind == text && n.text == ""
}

// depth returns the levels of objects and arrays in n.
func (n *node) depth() int {
	if n.kind != array && n.kind != object {
		return 0
	}
	deepest := 0
	for _, e := range n.elems {
		deepest = max(deepest, e.depth())
	}
	return deepest + 1
}

// String returns n as compact JSON: keys in the order sent, number literals
// as sent, strings with the escapes that JSON requires and no others.
func (n *node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	switch n.kind {
	case null:
		b.WriteString("null")
	case boolean, number:
		b.WriteString(n.text)
	case text:
		writeQuoted(b, n.text)
	case array:
		b.WriteByte('[')
		for i, e := range n.elems {
			if i > 0 {
				b.WriteByte(',')
			}
			e.write(b)
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for i, e := range n.elems {
			if i > 0 {
				b.WriteByte(',')
			}
			writeQuoted(b, n.keys[i])
			b.WriteByte(':')
			e.write(b)
		}
		b.WriteByte('}')
	}
}

func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		writeEscaped(b, r)
	}
	b.WriteByte('"')
}

func writeEscaped(b *strings.Builder, r rune) {
	if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
		b.WriteString(`\` + `"\bfnrt`[i:i+1])
	} else if r < ' ' {
		fmt.Fprintf(b, `\u%04x`, r)
	} else {
		b.WriteRune(r)
	}
}

// storable returns n as a JSON column holds it: a number that BigQuery would
// refuse is a string of its digits.
func (n *node) storable() *node {
	if n.kind == number && !storableNumber(n.text) {
		return &node{kind: text, text: n.text}
	}
	out := &node{kind: n.kind, text: n.text, keys: n.keys}
	for _, e := range n.elems {
		out.elems = append(out.elems, e.storable())
	}
	return out
}

// storableNumber reports whether the literal is a 64-bit integer, signed or
// unsigned, or a FLOAT64 whose shortest decimal form is the same number.
func storableNumber(literal string) bool {
	if _, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return true
	}
	if _, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return true
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return false // beyond what a FLOAT64 holds
	}
	return decimal(literal) == decimal(strconv.FormatFloat(f, 'e', -1, 64))
}

// decimal brings a number's literal to one form for each number: its
// significant digits and the power of ten of the last one.
func decimal(literal string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	power := new(big.Int)
	if exponent != "" {
		power.SetString(strings.TrimPrefix(exponent, "+"), 10)
	}
	power.Sub(power, big.NewInt(int64(len(fraction))))
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	trimmed := strings.TrimRight(digits, "0")
	power.Add(power, big.NewInt(int64(len(digits)-len(trimmed))))
	return fmt.Sprint(negative, trimmed, "e", power)
}
