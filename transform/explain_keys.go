package transform

import (
	"fmt"
	"slices"
	"strings"
)

// keys tells what became of every key of both parts.
func (x *explainer) keys() []ExplainedKey {
	columns := make(map[int]int) // by the node of the value
	for col := range tables[EventsLog].Columns {
		columns[x.values[col]] = col
	}
	keys, data, sentData := x.part(Envelope, columns, 0, 0)
	if sentData > 0 && x.sentNodes[sentData].kind == '{' {
		more, _, _ := x.part(ExtraData, columns, data, sentData)
		keys = append(keys, more...)
	}
	return keys
}

// part tells what became of the keys of one part, an object at the nodes i and
// sent. It returns the nodes of extra_data too, 0 if it is not there.
func (x *explainer) part(part Part, columns map[int]int, i, sent int) (keys []ExplainedKey, data, sentData int) {
	left := make(map[string]int) // nodes of the keys that the policy has left
	for j := i + 1; j < int(x.nodes[i].next); j = int(x.nodes[j+1].next) {
		left[string(text(x.src, &x.nodes[j]))] = j
	}
	for _, m := range x.sentMembers(sent) {
		k := ExplainedKey{Part: part, Name: m.name, Shape: shape(x.sentNodes, m.node)}
		k.Policy = x.policyFor(k.path()...)
		if at, ok := left[k.Name]; ok {
			x.explainKey(&k, columns, at)
			if k.Fate == Opened {
				data, sentData = at+1, m.node
			}
		} else {
			k.Fate = Dropped
		}
		keys = append(keys, k)
	}
	return keys, data, sentData
}

func (k *ExplainedKey) path() []string {
	if k.Part == ExtraData {
		return []string{ExtraData.String(), k.Name}
	}
	return []string{k.Name}
}

// policyFor names what the field policy does to a value, "" if it is kept.
func (x *explainer) policyFor(path ...string) string {
	if x.redactor == nil {
		return ""
	}
	p := x.redactor.policy
	rule := p.RuleFor(path...)
	if rule < 0 || p.rules[rule].Action == Keep {
		return ""
	}
	return p.rules[rule].Action.String()
}

// explainKey tells what became of the key at node i.
func (x *explainer) explainKey(k *ExplainedKey, columns map[int]int, i int) {
	col, known := columns[i+1]
	if known {
		k.Column = tables[EventsLog].Columns[col].Name
		k.Why = x.remark(col)
	}
	switch inExtra := slices.Contains(x.spare[k.Part], i); {
	case inExtra && known:
		k.Fate, k.Why = Refused, x.refusal(col)
	case inExtra:
		k.Fate, k.Why = Unknown, "no column is made for this key"
	case known && (x.event[col] == nil || eventColumns[col].make == fromLogin && x.string(col) == nil):
		k.Fate = Empty
	case known:
		k.Fate = Held
	case k.Part == Envelope && k.Name == "create_time":
		k.Fate, k.Column = Held, "occurred_at"
	case k.Part == Envelope && k.Name == "extra_data":
		k.Fate = Opened
	}
}

// refusal says why the column could not hold its value.
func (x *explainer) refusal(col int) string {
	c := &tables[EventsLog].Columns[col]
	want := c.Type.String()
	if c.Mode == Repeated {
		want = "a list of " + want
	}
	var got string
	switch x.nodes[x.values[col]].kind {
	case '{':
		got = "an object"
	case '[':
		got = "an array"
		if c.Mode == Repeated {
			got = "an array that holds more than texts"
		}
	case '"':
		got = "a string that is none"
	case '0':
		got = "a number that is none"
	default:
		got = "a boolean"
	}
	return fmt.Sprintf("want %s, got %s", want, got)
}

// remark says what a column's value gives beyond the column.
func (x *explainer) remark(col int) string {
	kind := x.nodes[x.values[col]].kind
	switch {
	case col == colMappingData && kind != '{' && kind != 'n':
		return "it is not an object: it gives no changes"
	case col == colMappingData && kind == '{' && x.string(colEntityID) == nil:
		return withoutEntity + ": it gives no changes"
	case col == colMappingDataText && kind != '{' && kind != 'n':
		return "it is not an object: it gives no labels"
	case col == colTimelineData && kind == '{':
		var filled []string
		for i, v := range x.event {
			if eventColumns[i].make == fromLogin && v != nil && x.string(i) == nil {
				filled = append(filled, tables[EventsLog].Columns[i].Name)
			}
		}
		if filled != nil {
			return "it fills " + strings.Join(filled, ", ")
		}
	}
	return ""
}

// shape returns the JSON type of the value at node i, that of an array with
// its elements' where they are few.
func shape(nodes []node, i int) string {
	switch n := &nodes[i]; n.kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	case '0':
		return "number"
	case '"':
		if n.end-n.start == 2 {
			return "empty string"
		}
		return "string"
	case '{':
		keys := 0
		for j := i + 1; j < int(n.next); j = int(nodes[j+1].next) {
			keys++
		}
		return fmt.Sprintf("object of %d", keys)
	default:
		var shapes []string
		for j := i + 1; j < int(n.next); j = int(nodes[j].next) {
			shapes = append(shapes, shape(nodes, j))
		}
		if len(shapes) > 2 {
			return fmt.Sprintf("array of %d", len(shapes))
		}
		return "[" + strings.Join(shapes, ", ") + "]"
	}
}
