package transform

// letter returns what of a dead letter's payload and attributes may be kept.
//
// A payload that can be read is rewritten as an event is. Of one that cannot,
// or that has no fields, every letter and digit is replaced: what is left
// still shows a syntax error at its place.
func (p *Policy) letter(payload []byte, attributes map[string]string) ([]byte, map[string]string) {
	if !p.hides() {
		return payload, attributes
	}
	t := Transformer{redactor: newRedactor(p)}
	readable := len(payload) <= MaxPayload && t.parse(payload) == nil && t.nodes[0].kind == '{'
	t.src = payload
	if readable {
		t.redact()
	}
	if !readable || t.redactor.full {
		t.src = blurred(payload)
	}
	return t.src, t.redactor.attributes(attributes)
}

// attributes returns what may be kept of a message's attributes. Those of an
// unreadable payload are hashed with the newest key.
func (r *redactor) attributes(attributes map[string]string) map[string]string {
	if attributes == nil {
		return nil
	}
	out := make(map[string]string, len(attributes))
	for name, v := range attributes {
		action := Keep
		if rule := r.policy.own([]byte(name), elsewhere); rule >= 0 {
			action = r.policy.rules[rule].Action
		}
		switch action {
		case Drop:
		case Keep:
			out[name] = v
		default:
			out[name] = string(r.hidden([]byte(v), '"', action))
		}
	}
	return out
}
