package transform

import (
	"hash"
	"strconv"
)

// A redactor rewrites events as a policy says. It keeps its working memory
// between events and is for one goroutine.
//
// An event is rewritten as a whole before a row is made of it, so that no
// column, present or to come, sees a value that the policy hides.
type redactor struct {
	policy *Policy
	key    int         // place of the key that hashes the event at hand
	macs   []hash.Hash // by place of their key; nil until needed

	src   []byte
	nodes []node
	out   []byte
	full  bool // out has outgrown MaxPayload, and is good for nothing
}

// newRedactor returns nil for a policy that hides nothing.
func newRedactor(p *Policy) *redactor {
	if !p.hides() {
		return nil
	}
	return &redactor{policy: p, key: p.newestKey()}
}

// renewed returns the redactor without its memory.
func (r *redactor) renewed() *redactor {
	if r == nil {
		return nil
	}
	return newRedactor(r.policy)
}

// size returns how much memory is kept for the next event, in bytes.
func (r *redactor) size() int {
	if r == nil {
		return 0
	}
	return cap(r.out)
}

// redact puts what the policy makes of the event in the event's stead. Where
// that outgrows MaxPayload, hashes being longer than most values, the event
// stays as it is and the redactor is full: no row of it is within [MaxRow].
func (t *Transformer) redact() {
	r := t.redactor
	r.src, r.nodes, r.out, r.full = t.src, t.nodes, r.out[:0], false
	if seconds, ok := t.seconds(); ok {
		r.key = r.policy.keyAt(seconds)
	}
	r.object(0, Keep, inEnvelope)
	if r.full {
		return
	}
	var ok bool
	if t.nodes, ok = scan(t.nodes[:0], r.out); !ok {
		panic("transform: an event rewritten by its field policy is no JSON")
	}
	t.src = r.out
}

// seconds returns the event's time as it stands in create_time, whether it is
// one that rows may have or not: the key must not depend on when that is asked.
func (t *Transformer) seconds() (int64, bool) {
	for i := 1; i < int(t.nodes[0].next); i = int(t.nodes[i+1].next) {
		if string(text(t.src, &t.nodes[i])) != "create_time" {
			continue
		}
		digits, _ := t.textAt(i + 1)
		if digits == nil || !isWhole(t.nodes[i+1].kind, digits) {
			return 0, false
		}
		seconds, err := strconv.ParseInt(string(digits), 10, 64)
		return seconds, err == nil
	}
	return 0, false
}

// blur is what becomes of text where only an object has fields: see [objects].
const blur Action = 255

// object writes an object whose keys have the action unless a rule of their
// own says else. It reports whether anything is left.
func (r *redactor) object(i int, inherited Action, at place) bool {
	if inherited == blur {
		inherited = Keep
	}
	r.out = append(r.out, '{')
	empty := len(r.out)
	for j := i + 1; j < int(r.nodes[i].next) && !r.full; j = int(r.nodes[j+1].next) {
		mark := len(r.out)
		if mark > empty {
			r.out = append(r.out, ',')
		}
		r.out = appendJSON(r.out, r.src, r.nodes, j, asSent)
		r.out = append(r.out, ':')
		if !r.member(j, inherited, at) {
			r.out = r.out[:mark]
		}
	}
	left := len(r.out) > empty
	r.out = append(r.out, '}')
	return left || inherited != Drop
}

// member writes the value of the key at node j.
func (r *redactor) member(j int, action Action, at place) bool {
	name := text(r.src, &r.nodes[j])
	own := r.policy.own(name, at)
	if own >= 0 {
		action = r.policy.rules[own].Action
	} else if action == Keep && isOneOf(objects[:], name, at) {
		action = blur
	}
	return r.value(j+1, action, at.below(name), string(name) == listField)
}

// value writes the value at node i, of which list says that its text is a list
// with commas. It reports whether anything is left.
func (r *redactor) value(i int, action Action, at place, list bool) bool {
	if len(r.out) > MaxPayload {
		r.full = true
		return true
	}
	n := &r.nodes[i]
	switch {
	case n.kind == '{':
		return r.object(i, action, at)
	case n.kind == '[':
		return r.array(i, action, list)
	case action == Drop:
		return false
	case action == Keep || n.kind == 'n':
		r.out = appendJSON(r.out, r.src, r.nodes, i, asSent)
		return true
	}
	v := r.src[n.start:n.end]
	if n.kind == '"' {
		v = text(r.src, n)
	}
	r.scalar(v, n.kind, action, list)
	return true
}

// array writes an array. What is dropped of one that is not dropped whole
// leaves null: the places of [before, after] count.
func (r *redactor) array(i int, action Action, list bool) bool {
	r.out = append(r.out, '[')
	left := action != Drop
	for j := i + 1; j < int(r.nodes[i].next) && !r.full; j = int(r.nodes[j].next) {
		if j > i+1 {
			r.out = append(r.out, ',')
		}
		mark := len(r.out)
		if r.value(j, action, elsewhere, list) {
			left = true
		} else {
			r.out = append(r.out[:mark], "null"...)
		}
	}
	r.out = append(r.out, ']')
	return left
}
