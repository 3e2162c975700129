package transform

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// How a column of events_log gets its value.
type maker uint8

const (
	fromText  maker = iota // from the event's key named by [Column.Source], as the column's type asks
	fromLogin              // likewise, else from the same key of timeline_data
	fromInt
	fromBool
	fromTime
	fromJSON
	fromList
	makeEventID
	makeSequence
	makeOccurredAt
	makeChanges
	makeExtra
	makeMessageID
	makePublishedAt
	makeIngestedAt
	makeIngestSource
)

// numEventColumns is the number of columns that events_log is defined with,
// maxEventColumns that with all the fields that can be promoted.
const (
	numEventColumns = 50
	maxEventColumns = numEventColumns + MaxPromoted
)

// eventColumns says for each column of events_log how it gets its value.
var eventColumns = func() (plan [maxEventColumns]struct {
	make     maker
	envelope bool
}) {
	made := map[string]maker{
		"event_id": makeEventID, "sequence": makeSequence, "occurred_at": makeOccurredAt,
		"login_platform": fromLogin, "login_source_value": fromLogin, "login_source_type": fromLogin,
		"login_source_name": fromLogin, "login_environment": fromLogin,
		"changes": makeChanges, "extra": makeExtra,
		"message_id": makeMessageID, "published_at": makePublishedAt,
		"ingested_at": makeIngestedAt, "ingest_source": makeIngestSource,
	}
	if n := len(tables[EventsLog].Columns); n != numEventColumns {
		panic(fmt.Sprintf("transform: events_log has %d columns, not %d", n, numEventColumns))
	}
	for i, c := range tables[EventsLog].Columns {
		if plan[i].make = made[c.Name]; plan[i].make == fromText {
			plan[i].make = makerOf(c)
		}
		plan[i].envelope = !strings.Contains(c.Source, ".")
	}
	return plan
}()

func makerOf(c Column) maker {
	switch {
	case c.Mode == Repeated:
		return fromList
	case c.Type == Int64:
		return fromInt
	case c.Type == Bool:
		return fromBool
	case c.Type == Timestamp:
		return fromTime
	case c.Type == JSON:
		return fromJSON
	default:
		return fromText
	}
}

// envelopeColumns and extraDataColumns give the column of events_log that
// holds a key of the source.
var (
	envelopeColumns  = sourceColumns("")
	extraDataColumns = sourceColumns("extra_data.")
)

func sourceColumns(prefix string) map[string]int {
	columns := map[string]int{}
	for i, c := range tables[EventsLog].Columns {
		key, ok := strings.CutPrefix(c.Source, prefix)
		if ok && key != "" && !strings.Contains(key, ".") && eventColumns[i].make <= fromList {
			columns[key] = i
		}
	}
	return columns
}

// Places of the columns of events_log that the code asks for by name.
var (
	colTenantID        = eventColumn("tenant_id")
	colEventType       = eventColumn("event_type")
	colActionKeyword   = eventColumn("action_keyword")
	colObjectName      = eventColumn("object_name")
	colEntityID        = eventColumn("entity_id")
	colTargetEntityID  = eventColumn("target_entity_id")
	colLeadUser        = eventColumn("lead_omni_user_uuid")
	colOperatorType    = eventColumn("operator_type")
	colOperatorID      = eventColumn("operator_id")
	colSceneType       = eventColumn("scene_type")
	colFormerOwnerName = eventColumn("former_owner_name")
	colMappingData     = eventColumn("mapping_data")
	colMappingDataText = eventColumn("mapping_data_text")
	colTimelineData    = eventColumn("timeline_data")
)

func eventColumn(name string) int {
	for i := range tables[EventsLog].Columns {
		if tables[EventsLog].Columns[i].Name == name {
			return i
		}
	}
	panic("transform: events_log has no column " + name)
}

// appendEvent appends the row of events_log and returns its size in bytes.
func (t *Transformer) appendEvent(dst *Rows, d Delivery) int {
	w := dst.begin(EventsLog)
	for i := range w.cols {
		switch from := eventColumns[i].make; from {
		case fromText, fromLogin, fromInt, fromBool, fromTime, fromJSON, fromList:
			if t.values[i] == 0 && from != fromLogin { // a third of all: no call saves 7 %
				w.null()
			} else if !t.appendValue(&w, i, from) {
				t.unheld(i)
			}
		case makeEventID:
			w.text(t.id[:])
		case makeSequence:
			w.text(t.sequence)
		case makeOccurredAt:
			w.micros(t.occurred * 1e6)
		case makeChanges:
			t.appendChanges(&w)
		case makeExtra:
			t.unheldPromoted()
			t.buf = t.appendExtra(t.buf[:0])
			w.json(t.buf)
		case makeMessageID:
			w.str(d.MessageID)
		case makePublishedAt:
			w.time(d.PublishedAt)
		case makeIngestedAt:
			w.time(d.IngestedAt)
		case makeIngestSource:
			w.str(d.Source)
		}
	}
	return w.end()
}

// appendValue writes the column from the source's value and reports whether it
// could hold it. If not it is NULL, and the value goes to extra.
func (t *Transformer) appendValue(w *rowWriter, col int, from maker) (held bool) {
	i := t.values[col]
	var ok bool
	switch from {
	case fromText:
		var v []byte
		v, held = t.textAt(i)
		w.text(v)
		return held
	case fromLogin:
		var v []byte
		if v, held = t.textAt(i); v == nil {
			v = t.timeline(col)
		}
		w.text(v)
		return held
	case fromInt:
		var v int64
		if v, ok, held = t.intAt(i); ok {
			w.int(v)
			return held
		}
	case fromBool:
		var v bool
		if v, ok, held = t.boolAt(i); ok {
			w.bool(v)
			return held
		}
	case fromTime:
		var v time.Time
		v, held = t.timeAt(i)
		w.time(v)
		return held
	case fromList:
		return t.appendMembers(w, i)
	case fromJSON:
		held = true
		if t.nodes[i].kind != 'n' {
			t.buf = appendJSON(t.buf[:0], t.src, t.nodes, i, asBigQuery)
			w.text(t.buf)
			return held
		}
	}
	w.null()
	return held
}

// textAt returns the value at node i as text: a string itself, a number's or
// boolean's literal. nil is NULL: absent, null or "". held is false for an
// array or object.
func (t *Transformer) textAt(i int) (v []byte, held bool) {
	if i == 0 {
		return nil, true
	}
	switch n := &t.nodes[i]; n.kind {
	case '"':
		if v = t.text(n); len(v) == 0 {
			v = nil
		}
		return v, true
	case 'n':
		return nil, true
	case '{', '[':
		return nil, false
	default:
		return t.src[n.start:n.end], true
	}
}

// text is like the function, with new bytes that are used again for the next
// event.
func (t *Transformer) text(n *node) []byte {
	if n.flags&escaped == 0 {
		return t.src[n.start+1 : n.end-1]
	}
	start := len(t.unquoted)
	t.unquoted = appendUnquoted(t.unquoted, t.src[n.start:n.end])
	return t.unquoted[start:len(t.unquoted):len(t.unquoted)]
}

// string returns the text of a column's value, nil where it is NULL or cannot
// be held.
func (t *Transformer) string(col int) []byte {
	v, _ := t.textAt(t.values[col])
	return v
}

// intAt returns the value at node i as an integer; ok is false where it is
// NULL, held is false where it is something else.
func (t *Transformer) intAt(i int) (v int64, ok, held bool) {
	s, held := t.textAt(i)
	if s == nil {
		return 0, false, held
	}
	if s[0] == '+' || t.nodes[i].kind == 't' || t.nodes[i].kind == 'f' {
		return 0, false, false
	}
	v, err := strconv.ParseInt(string(s), 10, 64)
	return v, err == nil, err == nil
}

// boolAt is like intAt for true and false, 1 and 0, also in strings.
func (t *Transformer) boolAt(i int) (v, ok, held bool) {
	s, held := t.textAt(i)
	switch string(s) {
	case "":
		return false, false, held
	case "1", "true":
		return true, true, true
	case "0", "false":
		return false, true, true
	default:
		return false, false, false
	}
}

// timeline returns the text of the column's key in timeline_data, nil if there
// is none.
func (t *Transformer) timeline(col int) []byte {
	data := t.values[colTimelineData]
	if data == 0 || t.nodes[data].kind != '{' {
		return nil
	}
	for i := data + 1; i < int(t.nodes[data].next); i = int(t.nodes[i+1].next) {
		if int(keys.columns[ExtraData][t.nodes[i].key%maxKeys]) == col {
			v, _ := t.textAt(i + 1)
			return v
		}
	}
	return nil
}

// appendMembers writes a list of texts: one, several separated by commas, or
// an array of them. It reports whether the column could hold the value.
func (t *Transformer) appendMembers(w *rowWriter, i int) bool {
	num := w.field(String)
	if i == 0 {
		return true
	}
	n := &t.nodes[i]
	if n.kind != '[' {
		v, held := t.textAt(i)
		before := len(w.buf)
		for part := range bytes.SplitSeq(v, []byte{','}) {
			if part = bytes.TrimSpace(part); len(part) > 0 {
				w.buf = appendBytesField(w.buf, num, part)
			}
		}
		return held && (v == nil || len(w.buf) > before)
	}
	for j := i + 1; j < int(n.next); j = int(t.nodes[j].next) {
		if _, held := t.textAt(j); !held {
			return false
		}
	}
	for j := i + 1; j < int(n.next); j = int(t.nodes[j].next) {
		if v, _ := t.textAt(j); v != nil {
			w.buf = appendBytesField(w.buf, num, v)
		}
	}
	return true
}
