package transform

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Fragment returns the smallest part of a dead letter's payload that shows its
// cause, on one line of bounded length, for people; "" where the payload shows
// nothing. message is the letter's error.
//
// No letter and no digit of a value is in it: an x stands for a letter, a 9 for
// a digit. Keys that columns are made for stay, others are masked too.
//
//   - Of a payload that cannot be read it is the bytes around the error, which a
//     ▸ points at.
//   - Of an event with a member at fault it is that member, or, where one is
//     missing, the names of those that are there.
//   - Of an event whose row the warehouse refused it is the kinds of the row's
//     columns, as this version would have made it at that time, diedAt.
func (t *Transformer) Fragment(payload []byte, reason Reason, message string, diedAt time.Time) string {
	defer t.release(len(payload))
	switch reason {
	case JSONInvalid, JSONTooDeep:
		return around(payload, OffsetIn(message))
	case RowRejected:
		return t.rowKinds(payload, message, diedAt)
	}
	if len(payload) > maxFragmented || t.parse(payload) != nil {
		return around(payload, -1)
	}
	f := fragment{src: payload, nodes: t.nodes}
	switch root := &t.nodes[0]; {
	case reason == TooLarge || reason == RowTooLarge:
		return f.largest()
	case root.kind != '{':
		return f.value(0)
	case reason == EventTypeMissing:
		return f.member("event_type")
	case reason == TenantMissing:
		return f.member("mid")
	case reason == EventTimeInvalid || reason == EventTimeOutOfRange:
		return f.member("create_time")
	case reason == ExtraDataInvalid:
		return f.member("extra_data")
	default:
		return f.keys()
	}
}

// maxFragmented bounds the payloads that are taken apart, in bytes. Pub/Sub has
// no larger ones.
const maxFragmented = 2 * MaxPayload

// OffsetIn returns the place in the payload that a dead letter's error tells
// of, in bytes; -1 where it tells of none.
func OffsetIn(message string) int {
	_, digits, found := strings.Cut(message, " at byte ")
	at, err := strconv.Atoi(digits)
	if !found || err != nil || at < 0 {
		return -1
	}
	return at
}

// A fragment is a JSON text of which a part is shown.
type fragment struct {
	src   []byte
	nodes []node
}

// member shows one member of the event, or what there is instead of it.
func (f *fragment) member(name string) string {
	for i := 1; i < int(f.nodes[0].next); i = int(f.nodes[i+1].next) {
		if string(text(f.src, &f.nodes[i])) == name {
			return "{" + f.key(i) + ":" + f.value(i+1) + "}"
		}
	}
	return f.keys()
}

// shownKeys is how many keys of an event are shown.
const shownKeys = 8

// keys shows the names of the event's members.
func (f *fragment) keys() string {
	var b strings.Builder
	b.WriteByte('{')
	shown := 0
	for i := 1; i < int(f.nodes[0].next); i = int(f.nodes[i+1].next) {
		if shown++; shown > shownKeys {
			b.WriteString(",…")
			break
		}
		if shown > 1 {
			b.WriteByte(',')
		}
		b.WriteString(f.key(i) + ":…")
	}
	b.WriteByte('}')
	return b.String()
}

// key shows the key at node i.
func (f *fragment) key(i int) string {
	if name := text(f.src, &f.nodes[i]); knownKeys[string(name)] {
		return `"` + string(name) + `"`
	}
	return clip(mask(f.src[f.nodes[i].start:f.nodes[i].end]))
}

// value shows the value at node i: a container by its kind alone.
func (f *fragment) value(i int) string {
	switch n := &f.nodes[i]; {
	case n.kind == '{' && int(n.next) > i+1:
		return "{…}"
	case n.kind == '[' && int(n.next) > i+1:
		return "[…]"
	case n.kind == 't' || n.kind == 'f':
		return "boolean"
	case n.kind == 'n':
		return "null"
	default:
		return clip(mask(f.src[n.start:n.end]))
	}
}

// largest shows the way to the value that takes most of the payload.
func (f *fragment) largest() string {
	const deepest = 6
	var open, closed string
	at := 0
	for range deepest {
		key, value := f.heaviest(at)
		if value == 0 {
			break
		}
		if f.nodes[at].kind == '{' {
			open, closed = open+"{"+f.key(key)+":", "}"+closed
		} else {
			open, closed = open+"[", "]"+closed
		}
		at = value
	}
	n := &f.nodes[at]
	return fmt.Sprintf("%s%s%s (%d bytes of %d)", open, f.value(at), closed, n.end-n.start, len(f.src))
}

// heaviest returns the nodes of the value within the container at node i that
// takes more than half of it, and of its key; 0 where none does.
func (f *fragment) heaviest(i int) (key, value int) {
	within := &f.nodes[i]
	if within.kind != '{' && within.kind != '[' {
		return 0, 0
	}
	for j := i + 1; j < int(within.next); j = int(f.nodes[j].next) {
		if n := &f.nodes[j]; 2*(n.end-n.start) > within.end-within.start {
			return j - 1, j
		}
	}
	return 0, 0
}

// rowKinds shows the kinds of the columns of the row that was refused.
func (t *Transformer) rowKinds(payload []byte, message string, diedAt time.Time) string {
	var rows Rows
	if _, err := t.transform(&rows, payload, Delivery{IngestedAt: diedAt}); err != nil {
		return ""
	}
	table := tables[EventsLog]
	if strings.Contains(message, tables[TransitionsLog].Name) {
		table = tables[TransitionsLog]
	}
	if rows.Len(table.ID) == 0 {
		return ""
	}
	var kinds []string
	texts := 0
	for i, v := range explained(&rows, table.ID, 0) {
		switch c := &table.Columns[i]; {
		case v == nil || c.Delivery:
		case c.Type == String && c.Mode != Repeated:
			texts++
		case c.Mode == Repeated:
			kinds = append(kinds, c.Name+" REPEATED "+c.Type.String())
		default:
			kinds = append(kinds, c.Name+" "+c.Type.String())
		}
	}
	kinds = append(kinds, fmt.Sprintf("%d STRING", texts))
	return table.Name + "(" + strings.Join(kinds, ", ") + ")"
}

// around shows what stands before and behind a place of a text that need not
// be JSON; its beginning where the place is none.
func around(src []byte, at int) string {
	const before, behind = 32, 16
	if at < 0 || at > len(src) {
		end := min(len(src), before+behind)
		return maskBetween(src, 0, whole(src, end)) + dots(end < len(src))
	}
	start, end := max(0, at-before), min(len(src), at+behind)
	start, end = whole(src, start), whole(src, end)
	return dots(start > 0) + maskBetween(src, start, at) + "▸" + maskBetween(src, at, end) + dots(end < len(src))
}

func dots(more bool) string {
	if more {
		return "…"
	}
	return ""
}

// whole returns the place where the character at i begins.
func whole(src []byte, i int) int {
	for j := i; j > 0 && j > i-utf8.UTFMax && j < len(src); j-- {
		if utf8.RuneStart(src[j]) {
			return j
		}
	}
	return i
}

// maskBetween shows src[start:end] and leaves the keys in it that are known.
func maskBetween(src []byte, start, end int) string {
	var b strings.Builder
	for start < end {
		quote := bytes.IndexByte(src[start:end], '"')
		if quote < 0 {
			break
		}
		b.WriteString(mask(src[start : start+quote]))
		start += quote
		name := knownKeyAt(src[:end], start)
		b.WriteString(`"` + name)
		start += 1 + len(name)
	}
	b.WriteString(mask(src[start:max(start, end)]))
	return b.String()
}

// knownKeyAt returns the known key whose string begins with the quote at
// src[i] and is followed by a colon; "" if none does.
func knownKeyAt(src []byte, i int) string {
	rest := src[i+1:]
	quote := bytes.IndexByte(rest, '"')
	if quote < 0 || !knownKeys[string(rest[:quote])] {
		return ""
	}
	if behind := bytes.TrimLeft(rest[quote+1:], " \t\r\n"); len(behind) == 0 || behind[0] != ':' {
		return ""
	}
	return string(rest[:quote])
}
