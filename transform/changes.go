package transform

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// A change is one field of mapping_data; nil is NULL.
type change struct {
	field                   []byte
	beforeValue, afterValue []byte
	beforeLabel, afterLabel []byte
}

// collectChanges reads the changed fields and their labels. Without an entity
// there are none.
func (t *Transformer) collectChanges(hasEntity bool) {
	t.changes, t.labels = t.changes[:0], t.labels[:0]
	if !hasEntity {
		return
	}
	t.labels = t.sortedKeys(t.labels, t.values[colMappingDataText])
	t.fields = t.sortedKeys(t.fields[:0], t.values[colMappingData])
	labels := t.labels
	for _, f := range t.fields {
		c := change{field: t.key(f)}
		c.beforeValue, c.afterValue = t.pair(int(f.key) + 1)
		if c.beforeValue == nil && c.afterValue == nil {
			continue
		}
		// Both lists are in order: the labels of the fields before are done with.
		for len(labels) > 0 && bytes.Compare(t.key(labels[0]), c.field) < 0 {
			labels = labels[1:]
		}
		if len(labels) > 0 && bytes.Equal(t.key(labels[0]), c.field) {
			c.beforeLabel, c.afterLabel = t.labelsAt(labels[0])
		}
		t.changes = append(t.changes, c)
	}
}

func (t *Transformer) key(m member) []byte { return text(t.src, &t.nodes[m.key]) }

// sortedKeys appends the keys of the object at node i in byte order; none if
// it is not an object.
func (t *Transformer) sortedKeys(dst []member, i int) []member {
	if i == 0 || t.nodes[i].kind != '{' {
		return dst
	}
	dst, _ = t.order.append(dst, t.src, t.nodes, i, bytes.Compare)
	return dst
}

// pair reads [after], [before, after] or a bare value, which counts as
// [after]. More than two elements are after, as their JSON text.
func (t *Transformer) pair(i int) (before, after []byte) {
	n := &t.nodes[i]
	if n.kind != '[' {
		return nil, t.anyText(i)
	}
	first := i + 1
	if first == int(n.next) {
		return nil, nil
	}
	second := int(t.nodes[first].next)
	switch {
	case second == int(n.next):
		return nil, t.anyText(first)
	case t.nodes[second].next == n.next:
		return t.anyText(first), t.anyText(second)
	default:
		return nil, t.anyText(i)
	}
}

// anyText returns the value at node i as text, an array or object as its JSON
// text; nil is NULL.
func (t *Transformer) anyText(i int) []byte {
	if v, held := t.textAt(i); held {
		return v
	}
	return appendJSON(nil, t.src, t.nodes, i, asSent)
}

// label returns the labels of a field; nil is NULL.
func (t *Transformer) label(field string) (before, after []byte) {
	for _, m := range t.labels {
		if string(t.key(m)) == field {
			return t.labelsAt(m)
		}
	}
	return nil, nil
}

// labelsAt reads a field's labels like its values; "-" stands for NULL too.
func (t *Transformer) labelsAt(m member) (before, after []byte) {
	before, after = t.pair(int(m.key) + 1)
	return unlessDash(before), unlessDash(after)
}

func unlessDash(label []byte) []byte {
	if string(label) == "-" {
		return nil
	}
	return label
}

// appendChanges writes the repeated record.
func (t *Transformer) appendChanges(w *rowWriter) {
	num := w.field(Record)
	for i := range t.changes {
		c := &t.changes[i]
		size := sizeText(c.field) + sizeText(c.beforeValue) + sizeText(c.afterValue) + sizeText(c.beforeLabel) + sizeText(c.afterLabel)
		b := appendHead(w.buf, num, size)
		b = appendText(b, 1, c.field)
		b = appendText(b, 2, c.beforeValue)
		b = appendText(b, 3, c.afterValue)
		b = appendText(b, 4, c.beforeLabel)
		w.buf = appendText(b, 5, c.afterLabel)
	}
}

// sizeText returns how many bytes appendText appends.
func sizeText(v []byte) int {
	if v == nil {
		return 0
	}
	return 1 + protowire.SizeBytes(len(v)) // field numbers below 16 take one byte
}

// appendText appends the field of a record; nil is NULL.
func appendText(b []byte, n protowire.Number, v []byte) []byte {
	if v == nil {
		return b
	}
	return appendBytesField(b, n, v)
}
