package transform

import (
	"bytes"
	"encoding/hex"
	"hash"
	"unicode"
	"unicode/utf8"
)

// scalar writes what becomes of the text of a string, number or boolean.
func (r *redactor) scalar(v []byte, kind byte, action Action, list bool) {
	if !list || kind != '"' {
		r.out = appendString(r.out, r.hidden(v, kind, action))
		return
	}
	var all []byte
	for i, part := range bytes.Split(v, []byte{','}) {
		if i > 0 {
			all = append(all, ',')
		}
		all = append(all, r.hidden(bytes.TrimSpace(part), kind, action)...)
	}
	r.out = appendString(r.out, all)
}

// hidden returns what becomes of a text. What is already the result of the
// action stays as it is, so that a replay changes nothing.
func (r *redactor) hidden(v []byte, kind byte, action Action) []byte {
	switch {
	case len(v) == 0 || string(v) == "-":
		return v
	case action == Hash && isHash(v):
		return v
	case action == Hash:
		return r.appendHash(nil, v)
	case action == Mask && (kind == 't' || kind == 'f'):
		return stars // one character of a boolean tells all of it
	case action == Mask:
		return masked(v)
	default:
		return blurred(v)
	}
}

// A hash reads hmac:KEY:DIGITS. The digits are the first half of HMAC-SHA-256
// over the text, in lower-case hex.
const (
	hashPrefix = "hmac:"
	hashSize   = 16 // bytes
)

func (r *redactor) appendHash(dst, v []byte) []byte {
	if r.macs == nil {
		r.macs = make([]hash.Hash, len(r.policy.keys))
	}
	key := &r.policy.keys[r.key]
	mac := r.macs[r.key]
	if mac == nil {
		mac = key.mac()
		r.macs[r.key] = mac
	}
	mac.Reset()
	mac.Write(v)
	sum := mac.Sum(nil)
	dst = append(append(append(dst, hashPrefix...), key.id...), ':')
	return hex.AppendEncode(dst, sum[:hashSize])
}

// isHash reports whether the text is a hash, under this policy's keys or
// others: keys are taken out of use, hashes stay.
func isHash(v []byte) bool {
	rest, ok := bytes.CutPrefix(v, []byte(hashPrefix))
	id, digits, found := bytes.Cut(rest, []byte{':'})
	if !ok || !found || !isKeyID(id) || len(digits) != 2*hashSize {
		return false
	}
	for _, c := range digits {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

var stars = []byte("***")

// masked returns the first character and stars, for an e-mail with its domain.
// A text of one character becomes stars alone: the first is all of it.
func masked(v []byte) []byte {
	var domain []byte
	if at := mailDomain(v); at >= 0 {
		v, domain = v[:at], v[at:]
	}
	_, first := utf8.DecodeRune(v)
	if first == len(v) || bytes.Equal(v, stars) {
		first = 0
	}
	return append(append(bytes.Clone(v[:first]), stars...), domain...)
}

// mailDomain returns the place of the @ if the text is one e-mail address and
// nothing else, else -1: what follows the @ of any other text may be anything.
func mailDomain(v []byte) int {
	at := bytes.IndexByte(v, '@')
	if at <= 0 || bytes.IndexFunc(v[:at], unicode.IsSpace) >= 0 {
		return -1
	}
	labels := bytes.Split(v[at+1:], []byte{'.'})
	for _, label := range labels {
		if len(label) == 0 || bytes.ContainsFunc(label, func(c rune) bool { return !isDomainRune(c) }) {
			return -1
		}
	}
	last := labels[len(labels)-1]
	if len(labels) < 2 || len(last) < 2 || bytes.ContainsAny(last, "0123456789") {
		return -1
	}
	return at
}

func isDomainRune(c rune) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// blurred returns the text with every letter and digit replaced, byte for
// byte, so that what is left shows its structure, at the same places.
func blurred(v []byte) []byte {
	out := bytes.Clone(v)
	for i, c := range out {
		switch {
		case '0' <= c && c <= '9':
			out[i] = '0'
		case 'a' <= c|0x20 && c|0x20 <= 'z', c >= utf8.RuneSelf:
			out[i] = 'x'
		}
	}
	return out
}
