package exports

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// A walk goes through the members of a JSON object, a key and then its value.
// It trusts the text to be JSON: of any other it makes little sense, but it
// ends, and never leaves the text.
type walk struct {
	src []byte
	at  int
}

// walkObject begins a walk; ok is false where the text is no object.
func walkObject(src []byte) (w walk, ok bool) {
	w.src = src
	w.space()
	if w.at == len(src) || src[w.at] != '{' {
		return w, false
	}
	w.at++
	return w, true
}

// key returns the next key, its escapes as they stand and without its quotes;
// ok is false after the last. The next call is that of value.
func (w *walk) key() (key []byte, ok bool) {
	for w.at < len(w.src) && (isSpace(w.src[w.at]) || w.src[w.at] == ',') {
		w.at++
	}
	if w.at >= len(w.src) || w.src[w.at] != '"' {
		return nil, false
	}
	start := w.at + 1
	w.string()
	if w.at == start {
		return nil, false // cut off behind its first quote
	}
	key = w.src[start : w.at-1]
	for w.at < len(w.src) && (isSpace(w.src[w.at]) || w.src[w.at] == ':') {
		w.at++
	}
	return key, true
}

// value returns the value of the key as it stands.
func (w *walk) value() []byte {
	start := w.at
	if start == len(w.src) {
		return nil
	}
	switch w.src[start] {
	case '"':
		w.string()
	case '{', '[':
		w.nested()
	default:
		for w.at < len(w.src) && !isEnd[w.src[w.at]] {
			w.at++
		}
	}
	return w.src[start:w.at]
}

// string goes past the string that begins here.
func (w *walk) string() {
	start := w.at + 1
	for at := start; ; at++ {
		n := bytes.IndexByte(w.src[at:], '"')
		if n < 0 {
			w.at = len(w.src)
			return
		}
		at += n
		escapes := at
		for escapes > start && w.src[escapes-1] == '\\' {
			escapes--
		}
		if (at-escapes)%2 == 0 {
			w.at = at + 1
			return
		}
	}
}

// nested goes past the object or array that begins here.
func (w *walk) nested() {
	for depth := 0; w.at < len(w.src); {
		switch w.src[w.at] {
		case '"':
			w.string()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		w.at++
		if depth == 0 {
			return
		}
	}
}

func (w *walk) space() {
	for w.at < len(w.src) && isSpace(w.src[w.at]) {
		w.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// isEnd are the bytes that end a number or literal.
var isEnd = [256]bool{' ': true, '\n': true, '\t': true, '\r': true, ',': true, '}': true, ']': true}

// members calls f for each member of a valid JSON object, with the key's text
// and the value as it stands, until f returns false. It reports whether src is
// an object and f wanted all.
func members(src []byte, f func(key, value []byte) bool) bool {
	w, ok := walkObject(src)
	if !ok {
		return false
	}
	for {
		key, ok := w.key()
		if !ok {
			return true
		}
		if !f(unquote(key), w.value()) {
			return false
		}
	}
}

// elements is like members for an array.
func elements(src []byte, f func(value []byte) bool) bool {
	if src[0] != '[' {
		return false
	}
	w := walk{src: src, at: 1}
	for {
		for isSpace(w.src[w.at]) || w.src[w.at] == ',' {
			w.at++
		}
		if w.src[w.at] == ']' {
			return true
		}
		if !f(w.value()) {
			return false
		}
	}
}

// unquote returns the text of a string's characters between its quotes, which
// may be part of raw.
func unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	quoted := append(append([]byte{'"'}, raw...), '"')
	text, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		panic("exports: unquote a string that was found valid: " + err.Error())
	}
	return text
}

// text returns the text of a value that is a string, which may be part of it.
func text(value []byte) (s []byte, ok bool) {
	if value[0] != '"' {
		return nil, false
	}
	return unquote(value[1 : len(value)-1]), true
}

func isNull(value []byte) bool { return value[0] == 'n' }
