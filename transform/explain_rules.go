package transform

import (
	"fmt"
	"slices"
	"strings"
)

const withoutEntity = "there is no entity_id"

// fields tells which change each field of mapping_data gives.
func (x *explainer) fields() (fields []ExplainedField) {
	changes := make(map[string]*ExplainedChange)
	records, _ := x.event[columnPlace(EventsLog, "changes")].([][]any)
	for _, r := range records {
		changes[r[0].(string)] = &ExplainedChange{
			BeforeValue: textOf(r[1]), AfterValue: textOf(r[2]), BeforeLabel: textOf(r[3]), AfterLabel: textOf(r[4]),
		}
	}
	for _, sent := range x.sentFields("mapping_data") {
		n := &x.sentNodes[sent.node]
		f := ExplainedField{Name: sent.name, Shape: shape(x.sentNodes, sent.node), Change: changes[sent.name]}
		f.Policy = x.policyFor("extra_data", "mapping_data", f.Name)
		switch elements := elements(x.sentNodes, sent.node); {
		case x.string(colEntityID) == nil:
			f.Why = withoutEntity
		case f.Change == nil && n.kind == '[' && elements == 0:
			f.Why = "an empty array says nothing"
		case f.Change == nil && f.Policy == Drop.String():
			f.Why = "nothing is left of it"
		case f.Change == nil:
			f.Why = "before and after are both empty"
		case n.kind != '[':
			f.Why = "a bare value counts as [after]"
		case elements == 1:
			f.Why = "[after]"
		case elements == 2:
			f.Why = "[before, after]"
		default:
			f.Why = "more than two elements: the whole array is after"
		}
		fields = append(fields, f)
	}
	return fields
}

// A sentField is a key of an object with the node of its value, as sent.
type sentField struct {
	name string
	node int
}

// sentFields returns the keys of an object of extra_data as sent, in byte
// order; none if it is not an object.
func (x *explainer) sentFields(name string) []sentField {
	object := 0
	for _, key := range []string{ExtraData.String(), name} {
		members := x.sentMembers(object)
		i := slices.IndexFunc(members, func(m sentField) bool { return m.name == key })
		if i < 0 {
			return nil
		}
		object = members[i].node
	}
	fields := x.sentMembers(object)
	slices.SortFunc(fields, func(a, b sentField) int { return strings.Compare(a.name, b.name) })
	return fields
}

// sentMembers returns the keys of the object at a node, in the order sent.
func (x *explainer) sentMembers(i int) (members []sentField) {
	if x.sentNodes[i].kind != '{' {
		return nil
	}
	for j := i + 1; j < int(x.sentNodes[i].next); j = int(x.sentNodes[j+1].next) {
		members = append(members, sentField{string(text(x.sent, &x.sentNodes[j])), j + 1})
	}
	return members
}

// elements counts what the array at node i holds.
func elements(nodes []node, i int) (n int) {
	if nodes[i].kind != '[' {
		return 0
	}
	for j := i + 1; j < int(nodes[i].next); j = int(nodes[j].next) {
		n++
	}
	return n
}

// dimensions tells what the event says about each dimension; its rows of
// transitions_log begin at first.
func (x *explainer) dimensions(rows *Rows, first int) (out []ExplainedDimension) {
	made := make(map[string]*ExplainedTransition)
	for i := first; i < rows.Len(TransitionsLog); i++ {
		row := explained(rows, TransitionsLog, i)
		column := func(name string) any { return row[columnPlace(TransitionsLog, name)] }
		made[column("dimension").(string)] = &ExplainedTransition{
			From: textOf(column("from_value")), To: textOf(column("to_value")),
			FromLabel: textOf(column("from_label")), ToLabel: textOf(column("to_label")),
			Origin: column("origin").(string),
		}
	}
	for i := range dimensions {
		dim := &dimensions[i]
		d := ExplainedDimension{Name: dim.name, Transition: made[dim.name]}
		tr := x.transition(dim)
		d.Expected = tr.origin != "field_change" || x.field(dim.field) != 0
		switch {
		case d.Transition != nil:
			d.Why = x.rule(dim, tr)
		case x.string(colEntityID) == nil:
			d.Why = withoutEntity
		case tr.to != nil: // both, and the same
			d.Why = "from and to are equal"
		default:
			d.Why = x.silence(dim, tr)
		}
		out = append(out, d)
	}
	return out
}

// rule says how the event tells of a transition.
func (x *explainer) rule(dim *dimension, tr transition) string {
	field := "mapping_data." + dim.field
	source := func(value []byte, own int) string {
		switch {
		case value == nil:
			return "nothing"
		case x.string(own) != nil:
			return sourceKey(own)
		default:
			return field
		}
	}
	switch tr.origin {
	case "event":
		return fmt.Sprintf("the event made for it: %s → %s", source(tr.from, dim.from), source(tr.to, dim.to))
	case "creation":
		for i := range x.changes {
			if string(x.changes[i].field) == dim.field && x.changes[i].afterValue != nil {
				return "created with " + field
			}
		}
		return "created with extra_data." + sourceKey(dim.created)
	default:
		if tr.from == nil {
			return field + " changed; what was before is empty or unknown"
		}
		return field + " changed"
	}
}

// silence says why the event tells nothing about the dimension.
func (x *explainer) silence(dim *dimension, tr transition) string {
	why := "mapping_data has no " + dim.field
	switch {
	case x.field(dim.field) != 0:
		why = dim.field + " in mapping_data is empty"
	case x.policyFor("extra_data", "mapping_data", dim.field) == Drop.String():
		why = "the field policy drops " + dim.field + " in mapping_data"
	}
	var refused []string
	own := func(cols ...int) string {
		var keys []string
		for _, col := range cols {
			if _, held := x.textAt(x.values[col]); !held {
				refused = append(refused, sourceKey(col))
			}
			keys = append(keys, sourceKey(col))
		}
		return strings.Join(keys, " and ")
	}
	switch {
	case tr.origin == "event":
		why = own(dim.from, dim.to) + " are empty, and " + why
	case tr.origin == "creation" && dim.created >= 0:
		why += ", and " + own(dim.created) + " in extra_data is empty"
	case tr.origin == "field_change":
		why += ", and the event is not of its type, " + dim.eventType
	}
	if refused != nil {
		why += " (" + strings.Join(refused, ", ") + ": its column cannot hold it, it is in extra)"
	}
	return why
}

// unusedLabels tells which labels no row uses.
func (x *explainer) unusedLabels(e *Explanation) (unused []ExplainedLabel) {
	used, known := make(map[string]bool), make(map[string]bool)
	for _, f := range e.Fields {
		known[f.Name] = true
		used[f.Name] = f.Change != nil
	}
	for i, d := range e.Dimensions {
		if d.Transition != nil {
			used[dimensions[i].field] = true
		}
	}
	for _, sent := range x.sentFields("mapping_data_text") {
		l := ExplainedLabel{Field: sent.name}
		switch {
		case used[l.Field]:
			continue
		case x.string(colEntityID) == nil:
			l.Why = withoutEntity
		case known[l.Field]:
			l.Why = "its field in mapping_data gives no change"
		default:
			l.Why = "mapping_data has no such field"
		}
		unused = append(unused, l)
	}
	return unused
}

// field returns the node of the value of a field of mapping_data, 0 if there
// is none.
func (x *explainer) field(name string) int {
	for _, m := range x.sortedKeys(nil, x.values[colMappingData]) {
		if string(x.key(m)) == name {
			return int(m.key) + 1
		}
	}
	return 0
}

// sourceKey returns the key, without what it is in, that fills a column.
func sourceKey(col int) string {
	source := tables[EventsLog].Columns[col].Source
	return source[strings.LastIndexByte(source, '.')+1:]
}

func columnPlace(id TableID, name string) int {
	for i := range tables[id].Columns {
		if tables[id].Columns[i].Name == name {
			return i
		}
	}
	panic("transform: " + id.String() + " has no column " + name)
}

// textOf returns a value of a row of type STRING; nil is NULL.
func textOf(v any) *string {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	return &s
}
