package transform

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// Action says what becomes of a field's values.
type Action uint8

// The actions. Nothing is never hidden: null, "", "-" and empty arrays and
// objects stay as they are, unless they are dropped with their key.
const (
	Keep Action = iota // as sent
	Drop               // key and value vanish
	Hash               // a keyed hash of the value: equal values stay equal
	Mask               // the first character, and an e-mail's domain
)

var actionNames = [...]string{"keep", "drop", "hash", "mask"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("action %d", a)
}

// UnmarshalText reads the name of an action.
func (a *Action) UnmarshalText(name []byte) error {
	i := slices.Index(actionNames[:], string(name))
	if i < 0 {
		return fmt.Errorf("%q is not one of %s", name, strings.Join(actionNames[:], ", "))
	}
	*a = Action(i)
	return nil
}

// A Rule is what a policy says about a field.
type Rule struct {
	// Field is the name of a key of the event, at any depth, or a pattern of
	// such names in which * stands for any characters.
	Field  string
	Action Action
}

// A Key is the secret of hashes.
type Key struct {
	ID     string // shown in every hash: 1 to 32 letters, digits, - and _
	Secret []byte // at least 16 bytes; must not change any more

	// Since is when the key comes into force: it hashes what occurred from
	// then on, up to the next key's. The first key also hashes all that was
	// before.
	Since time.Time
}

// MinSecret is the least size of a key's secret, in bytes.
const MinSecret = 16

// A Policy says for every field of an event what becomes of its values, before
// they reach any row. It is immutable and safe for concurrent use. nil keeps
// everything.
type Policy struct {
	rules    []Rule
	names    map[string]int // exact names, and those under which their values stand too, to places in rules
	patterns []fieldPattern
	keys     []policyKey // by since
}

// A policyKey holds its secret where no way of printing finds it.
type policyKey struct {
	id    string
	since time.Time
	mac   func() hash.Hash
}

// NewPolicy returns the policy of the rules. An exact name goes before a
// pattern, an earlier pattern before a later one. keys may be in any order, and
// empty if no rule hashes. The error is [PolicyErrors] and tells of everything
// that is wrong.
func NewPolicy(rules []Rule, keys []Key) (*Policy, error) {
	if problems := append(checkRules(rules, len(keys)), checkKeys(keys)...); len(problems) > 0 {
		return nil, problems
	}
	p := &Policy{rules: slices.Clone(rules), names: map[string]int{}}
	for i, r := range rules {
		if strings.Contains(r.Field, "*") {
			p.patterns = append(p.patterns, fieldPattern{i, bytes.Split([]byte(r.Field), []byte{'*'})})
		} else {
			p.names[r.Field] = i
		}
	}
	p.addAliases()
	for _, k := range keys {
		mac := func() hash.Hash { return hmac.New(sha256.New, k.Secret) }
		p.keys = append(p.keys, policyKey{k.ID, k.Since, mac})
	}
	slices.SortFunc(p.keys, func(a, b policyKey) int { return a.since.Compare(b.since) })
	return p, nil
}

// Rules returns the rules in the order given.
func (p *Policy) Rules() []Rule {
	if p == nil {
		return nil
	}
	return slices.Clone(p.rules)
}

// Keys returns the keys in the order in which they come into force, without
// their secrets.
func (p *Policy) Keys() []Key {
	if p == nil {
		return nil
	}
	var keys []Key
	for _, k := range p.keys {
		keys = append(keys, Key{ID: k.id, Since: k.since})
	}
	return keys
}

// Hashes returns what the value becomes in a field that is hashed, under each
// key in the order of [Policy.Keys].
func (p *Policy) Hashes(value string) []string {
	if p == nil {
		return nil
	}
	r := redactor{policy: p}
	var list []string
	for r.key = range p.keys {
		list = append(list, string(r.appendHash(nil, []byte(value))))
	}
	return list
}

// hides reports whether the policy changes anything at all.
func (p *Policy) hides() bool {
	return p != nil && slices.ContainsFunc(p.rules, func(r Rule) bool { return r.Action != Keep })
}

// keyAt returns the place of the key for what occurred at a time.
func (p *Policy) keyAt(seconds int64) int {
	at := time.Unix(seconds, 0)
	later := slices.IndexFunc(p.keys, func(k policyKey) bool { return k.since.After(at) })
	if later < 0 {
		later = len(p.keys)
	}
	return max(0, later-1)
}

// newestKey returns the place of the key for what has no time.
func (p *Policy) newestKey() int { return max(0, len(p.keys)-1) }
