package transform

import (
	"bytes"
	"slices"
	"strings"
)

// A place is where an object stands in an event, as far as it matters to a
// policy.
type place uint8

const (
	elsewhere place = iota
	inEnvelope
	inExtraData
)

// structure are the keys that carry an event's structure, where they stand.
// Patterns leave them alone: "*_data" must not mean mapping_data.
var structure = [...][]string{
	inEnvelope:  {"mid", "event_type", "create_time", "event_category", "action_keyword", "extra_data"},
	inExtraData: {"object_name", "entity_id", "target_entity_id", "mapping_data", "mapping_data_text"},
}

// objects are the keys whose value is an object by the source's word. Text in
// its stead may be a whole object in a string, whose fields no rule can reach.
var objects = [...][]string{
	inEnvelope:  {"extra_data"},
	inExtraData: {"mapping_data", "mapping_data_text", "timeline_data", "entity_change_mapping"},
}

// required are the keys without whose values there are no rows, no views and
// no erasure.
var required = [...]string{"mid", "event_type", "create_time", "extra_data", "object_name", "entity_id", "target_entity_id"}

// aliases are the keys under which a field's value stands too. Each is listed
// with the fields in order of precedence.
var aliases = map[string][]string{
	"former_owner":       {"owner"},
	"former_owner_name":  {"owner"},
	"from_life_status":   {"life_status"},
	"to_life_status":     {"life_status"},
	"from_lead_pool":     {"lead_pool"},
	"to_lead_pool":       {"lead_pool"},
	"leads_status":       {"status"},
	"from_leads_status":  {"leads_status", "status"},
	"to_leads_status":    {"leads_status", "status"},
	"business_type_name": {"business_type"},
}

// listField is the key whose text is a list with commas.
const listField = "members"

// addAliases extends exact rules to the aliases that have none of their own.
func (p *Policy) addAliases() {
	own := func(name string) bool {
		return slices.ContainsFunc(p.rules, func(r Rule) bool { return r.Field == name })
	}
	for alias, fields := range aliases {
		for _, field := range fields {
			if !own(alias) && own(field) {
				p.names[alias] = p.names[field]
				break
			}
		}
	}
}

// sourceOf returns the event's key whose value a column of another name holds,
// "" if name is no such column.
func sourceOf(name string) string {
	column := tables[EventsLog].Column(name)
	if column == nil || column.Source == "" {
		return ""
	}
	key := column.Source[strings.LastIndexByte(column.Source, '.')+1:]
	if key == name {
		return ""
	}
	return key
}

// own returns the place of the rule for a key, -1 if there is none.
func (p *Policy) own(name []byte, at place) int {
	if i, ok := p.names[string(name)]; ok {
		return i
	}
	if len(p.patterns) == 0 || isOneOf(structure[:], name, at) {
		return -1
	}
	if i := p.pattern(name); i >= 0 {
		return i
	}
	for _, field := range aliases[string(name)] {
		if i := p.pattern([]byte(field)); i >= 0 {
			return i
		}
	}
	return -1
}

func (p *Policy) pattern(name []byte) int {
	for i := range p.patterns {
		if p.patterns[i].matches(name) {
			return p.patterns[i].rule
		}
	}
	return -1
}

func isOneOf(lists [][]string, name []byte, at place) bool {
	return slices.ContainsFunc(lists[at], func(s string) bool { return string(name) == s })
}

// below returns the place of the object that a key's value is.
func (at place) below(name []byte) place {
	if at == inEnvelope && string(name) == "extra_data" {
		return inExtraData
	}
	return elsewhere
}

// RuleFor returns the place in [Policy.Rules] of the rule that decides about
// the value at a path of keys, from the event's own down, for example
// "extra_data", "mapping_data", "mobile". -1: no rule, it is kept.
func (p *Policy) RuleFor(path ...string) int {
	rule, at := -1, inEnvelope
	if p == nil {
		return rule
	}
	for _, name := range path {
		if own := p.own([]byte(name), at); own >= 0 {
			rule = own
		}
		at = at.below([]byte(name))
	}
	return rule
}

// A fieldPattern is a rule for the names that it matches: its parts in their
// order, with any characters in between.
type fieldPattern struct {
	rule  int // place in rules
	parts [][]byte
}

func (f *fieldPattern) matches(name []byte) bool {
	last := len(f.parts) - 1
	name, ok := bytes.CutPrefix(name, f.parts[0])
	for i := 1; ok && i < last; i++ {
		// The first place where a part is found leaves the most for the others.
		_, name, ok = bytes.Cut(name, f.parts[i])
	}
	return ok && bytes.HasSuffix(name, f.parts[last])
}
