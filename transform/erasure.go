package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
)

// An EntityDigest stands for an entity that was erased, or for its user:
// SHA-256 of the entity_id or lead_omni_user_uuid. It tells whether an id that
// is at hand was erased, and no id.
type EntityDigest [sha256.Size]byte

// DigestEntity returns the digest of an entity_id.
func DigestEntity(id string) EntityDigest { return sha256.Sum256([]byte(id)) }

// ParseEntityDigest reads the text that [EntityDigest.String] gives.
func ParseEntityDigest(text string) (EntityDigest, error) {
	var d EntityDigest
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return d, fmt.Errorf("parse entity digest: want %d hex digits", 2*len(d))
	}
	return EntityDigest(raw), nil
}

// String returns the digest as it stands in the table erasures: 64 lower-case
// hex digits.
func (d EntityDigest) String() string { return hex.EncodeToString(d[:]) }

// Erased is the set of entities that were erased for good, by their digests.
// The zero value and nil are empty. Its methods may be called concurrently;
// it takes 32 bytes an entity.
type Erased struct {
	sorted atomic.Pointer[[]EntityDigest]
}

// Set replaces the whole set. The list may hold a digest several times; it is
// not used any more once Set has returned.
func (e *Erased) Set(list []EntityDigest) {
	own := slices.Clone(list)
	slices.SortFunc(own, compareDigests)
	own = slices.Compact(own)
	e.sorted.Store(&own)
}

// Len returns how many entities are in the set.
func (e *Erased) Len() int { return len(e.digests()) }

// Has reports whether the entity with that id was erased. An empty id is no
// entity. Nothing is hashed while the set is empty.
func (e *Erased) Has(id []byte) bool { return has(e.digests(), id) }

func (e *Erased) digests() []EntityDigest {
	if e == nil {
		return nil
	}
	if list := e.sorted.Load(); list != nil {
		return *list
	}
	return nil
}

func has(sorted []EntityDigest, id []byte) bool {
	if len(sorted) == 0 || len(id) == 0 || len(id) > maxEntityID {
		return false
	}
	_, found := slices.BinarySearchFunc(sorted, EntityDigest(sha256.Sum256(id)), compareDigests)
	return found
}

func compareDigests(a, b EntityDigest) int { return bytes.Compare(a[:], b[:]) }

// maxEntityID is how long an entity_id can be to be erased, in bytes. The
// source's have 21 or 22.
const maxEntityID = 256

// CheckEntityID returns why a text cannot be the id of an entity to erase, nil
// if it can.
func CheckEntityID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("it is empty")
	case len(id) > maxEntityID:
		return fmt.Errorf("it is longer than %d bytes", maxEntityID)
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '\\' {
			return fmt.Errorf("it may hold ASCII letters, digits and signs alone, but for quotes and backslashes")
		}
	}
	return nil
}

// Mentions reports whether a payload, which need not be JSON, names an erased
// entity: whether its id is a whole run of letters and digits, or a whole
// string, of the bytes as they are or with JSON's escapes undone.
func (e *Erased) Mentions(payload []byte) bool {
	sorted := e.digests()
	if len(sorted) == 0 {
		return false
	}
	if hasWord(sorted, payload) {
		return true
	}
	var raw, plain []byte
	for piece := range bytes.SplitSeq(payload, []byte{'"'}) {
		if has(sorted, piece) {
			return true
		}
		if bytes.IndexByte(piece, '\\') < 0 {
			continue
		}
		raw = append(append(append(raw[:0], '"'), piece...), '"')
		// The error says that it is no string: what was read of it counts.
		plain, _ = jsontext.AppendUnquote(plain[:0], raw)
		if has(sorted, plain) || hasWord(sorted, plain) {
			return true
		}
	}
	return false
}

// hasWord reports whether a whole run of letters and digits is an id of the
// set. What makes an escape with a backslash before it does not count to it.
func hasWord(sorted []EntityDigest, text []byte) bool {
	for start := 0; start < len(text); start++ {
		end := start
		for end < len(text) && isAlphanumeric(text[end]) {
			end++
		}
		word := text[start:end]
		if has(sorted, word) {
			return true
		}
		if start > 0 && text[start-1] == '\\' && has(sorted, word[escapeLen(word):]) {
			return true
		}
		start = end
	}
	return false
}

// escapeLen returns how much of a word belongs to the backslash before it.
func escapeLen(word []byte) int {
	switch {
	case len(word) > len("u0000") && word[0] == 'u':
		return len("u0000")
	case len(word) > 0 && bytes.IndexByte([]byte("bfnrt"), word[0]) >= 0:
		return 1
	default:
		return 0
	}
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// aboutErased reports whether the event at hand is about an erased entity: as
// the one it happened to, as the one it associates with that, or, where it
// happened to none, as the user it tells of.
func (t *Transformer) aboutErased() bool {
	sorted := t.erased.digests()
	if len(sorted) == 0 {
		return false
	}
	about := t.string(colEntityID)
	if about == nil {
		about = t.string(colLeadUser)
	}
	return has(sorted, about) || has(sorted, t.string(colTargetEntityID))
}
