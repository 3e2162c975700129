package transform

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// canonicalizer writes the canonical form of a JSON text: RFC 8785, with
// integers kept digit for digit, since ids outgrow a double's 53 bits. It
// gives the same bytes as the library's Canonicalize with raw integers, from
// the nodes that decoding has made anyway. As in RFC 8785, numbers with a
// fraction or exponent count as the double nearest to them.
type canonicalizer struct {
	src   []byte
	nodes []node
	out   []byte
	keys  []member // stack of the keys of the objects being written

	duplicate bool // an object has a key twice
}

// A member is one key of an object, to be sorted: small, since sorting moves it
// about.
type member struct {
	prefix uint64 // the key's first 8 bytes, big-endian, so that most comparisons are one
	key    int32  // node of the key; the value's is the next
}

// appendMembers appends the keys of the object at node i.
func appendMembers(dst []member, src []byte, nodes []node, i int) []member {
	for j := i + 1; j < int(nodes[i].next); j = int(nodes[j+1].next) {
		dst = append(dst, member{prefix: prefix(text(src, &nodes[j])), key: int32(j)})
	}
	return dst
}

func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// eventID returns the first 16 bytes of SHA-256 over the canonical form of the
// whole text, and notes whether it has a duplicate key.
func (c *canonicalizer) eventID(src []byte, nodes []node) (id [16]byte) {
	c.src, c.nodes, c.out, c.duplicate = src, nodes, c.out[:0], false
	c.value(0)
	sum := sha256.Sum256(c.out)
	copy(id[:], sum[:])
	return id
}

func (c *canonicalizer) value(i int) {
	n := &c.nodes[i]
	switch n.kind {
	case '{':
		c.object(i)
	case '[':
		c.out = append(c.out, '[')
		for j := i + 1; j < int(n.next); j = int(c.nodes[j].next) {
			if j > i+1 {
				c.out = append(c.out, ',')
			}
			c.value(j)
		}
		c.out = append(c.out, ']')
	case '0':
		c.out = appendCanonicalNumber(c.out, c.src[n.start:n.end])
	default:
		c.out = appendJSON(c.out, c.src, c.nodes, i, asSent)
	}
}

func (c *canonicalizer) object(i int) {
	base := len(c.keys)
	c.keys = appendMembers(c.keys, c.src, c.nodes, i)
	slices.SortFunc(c.keys[base:], c.compare)
	c.out = append(c.out, '{')
	for k, end := base, len(c.keys); k < end; k++ {
		key := int(c.keys[k].key)
		if k > base {
			c.out = append(c.out, ',')
			if c.keys[k].prefix == c.keys[k-1].prefix && c.compare(c.keys[k], c.keys[k-1]) == 0 {
				c.duplicate = true
			}
		}
		c.value(key)
		c.out = append(c.out, ':')
		c.value(key + 1)
	}
	c.out = append(c.out, '}')
	c.keys = c.keys[:base]
}

// compare orders keys by their UTF-16 code units, as RFC 8785 asks. For ASCII
// that is the order of the bytes.
func (c *canonicalizer) compare(a, b member) int {
	const beyondASCII = 0x8080808080808080
	if a.prefix != b.prefix && (a.prefix|b.prefix)&beyondASCII == 0 {
		return cmp.Compare(a.prefix, b.prefix)
	}
	return compareUTF16(text(c.src, &c.nodes[a.key]), text(c.src, &c.nodes[b.key]))
}

// compareUTF16 orders valid UTF-8 text by UTF-16 code units. That differs from
// the order of the bytes only where a character beyond the basic plane, a
// surrogate pair in UTF-16, meets one from U+E000 up.
func compareUTF16(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) || n > 0 && n < len(b) && !utf8.RuneStart(b[n]) {
		n--
	}
	a, b = a[n:], b[n:]
	if len(a) == 0 || len(b) == 0 {
		return len(a) - len(b)
	}
	x, _ := utf8.DecodeRune(a)
	y, _ := utf8.DecodeRune(b)
	if (x > 0xFFFF) == (y > 0xFFFF) {
		return bytes.Compare(a, b)
	}
	return int(firstUnit(x)) - int(firstUnit(y))
}

func firstUnit(r rune) rune {
	if r <= 0xFFFF {
		return r
	}
	high, _ := utf16.EncodeRune(r)
	return high
}

func appendCanonicalNumber(dst, lit []byte) []byte {
	if isInteger(lit) && !(len(lit) == 2 && lit[0] == '-' && lit[1] == '0') {
		return append(dst, lit...)
	}
	v := jsontext.Value(bytes.Clone(lit))
	if err := v.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		panic("transform: canonicalize a number that was found valid: " + err.Error())
	}
	return append(dst, v...)
}

// rank orders the events of one second: creation comes before what follows
// from it.
func rank(eventType []byte) byte {
	switch string(eventType) {
	case "add_omni_user_success":
		return 0
	case "object_create":
		return 1
	case "object_source_info":
		return 2
	default:
		return 3
	}
}

// appendSequence appends SSSSSSSSSSSSSSSS/RR/PPPPPPPPPPPPPPPP/EEEEEEEEEEEEEEEE.
func appendSequence(dst []byte, seconds int64, rank byte, published time.Time, id []byte) []byte {
	micros := int64(0)
	if !published.IsZero() {
		micros = published.UnixMicro()
	}
	dst = appendHex(dst, uint64(seconds), 16)
	dst = append(dst, '/')
	dst = appendHex(dst, uint64(rank), 2)
	dst = append(dst, '/')
	dst = appendHex(dst, uint64(micros), 16)
	dst = append(dst, '/')
	return append(dst, id...)
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	const hexDigits = "0123456789abcdef"
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}
