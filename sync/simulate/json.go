package simulate

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"unicode/utf8"
)

// A field is a key of a JSON object and its value, as JSON text.
type field struct{ key, json string }

type fields []field

func (f *fields) add(key, json string) { *f = append(*f, field{key, json}) }

// An emptiness is one of the ways in which the platform says that there is
// nothing; an event keeps to one.
type emptiness int

const (
	emptyString emptiness = iota
	emptyNull
	emptyAbsent
)

// text adds a string, or what stands for an empty one.
func (f *fields) text(key, s string, e emptiness) {
	switch {
	case s != "" || e == emptyString:
		f.add(key, quote(s))
	case e == emptyNull:
		f.add(key, "null")
	}
}

// shuffle brings the fields into the order of somebody's hash table.
func (f fields) shuffle(r *rand.Rand) {
	r.Shuffle(len(f), func(i, j int) { f[i], f[j] = f[j], f[i] })
}

func (f fields) append(b []byte) []byte {
	b = append(b, '{')
	for i, x := range f {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, x.key...)
		b = append(b, '"', ':')
		b = append(b, x.json...)
	}
	return append(b, '}')
}

// quote returns the string, which must be valid UTF-8, as JSON text.
func quote(s string) string {
	b := make([]byte, 0, len(s)+8)
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// number returns n as JSON text, as a string of digits in the given share of
// cases.
func number(r *rand.Rand, n int64, asString float64) string {
	if r.Float64() < asString {
		return `"` + strconv.FormatInt(n, 10) + `"`
	}
	return strconv.FormatInt(n, 10)
}

// escaped returns the JSON text written differently: everything beyond ASCII
// as \u escapes, a space after each comma and a newline at the end. Its
// values stay the same.
func escaped(text []byte) []byte {
	b := make([]byte, 0, len(text)*2)
	inString := false
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c >= 0x10000:
			c -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		case c >= utf8.RuneSelf:
			b = fmt.Appendf(b, `\u%04x`, c)
		case c == '\\': // with what it escapes
			size = 2
			b = append(b, text[i:i+2]...)
		default:
			inString = inString != (c == '"')
			b = append(b, byte(c))
			if c == ',' && !inString {
				b = append(b, ' ')
			}
		}
		i += size
	}
	return append(b, '\n')
}
