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
	fromSource maker = iota // from the event's key named by [Column.Source]
	fromLogin               // likewise, else from the same key of timeline_data
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
		plan[i].make = made[c.Name]
		plan[i].envelope = !strings.Contains(c.Source, ".")
	}
	return plan
}()

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
		if ok && key != "" && !strings.Contains(key, ".") && eventColumns[i].make <= fromLogin {
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
		switch eventColumns[i].make {
		case fromSource, fromLogin:
			t.appendValue(&w, i)
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

// appendValue writes the column from the source's value. A value that the
// column cannot hold leaves it NULL and goes to extra.
func (t *Transformer) appendValue(w *rowWriter, col int) {
	i, c := t.values[col], &w.cols[col]
	var held bool
	switch {
	case c.Mode == Repeated:
		held = t.appendMembers(w, i)
	case c.Type == String:
		var v []byte
		v, held = t.textAt(i)
		if v == nil && eventColumns[col].make == fromLogin {
			v = t.timeline(c.Name)
		}
		w.text(v)
	case c.Type == Int64:
		var v int64
		var ok bool
		if v, ok, held = t.intAt(i); ok {
			w.int(v)
		} else {
			w.null()
		}
	case c.Type == Bool:
		var v, ok bool
		if v, ok, held = t.boolAt(i); ok {
			w.bool(v)
		} else {
			w.null()
		}
	case c.Type == Timestamp:
		var v time.Time
		v, held = t.timeAt(i)
		w.time(v)
	case c.Type == JSON:
		held = true
		t.buf = t.buf[:0]
		if i != 0 && t.nodes[i].kind != 'n' {
			t.buf = appendJSON(t.buf, t.src, t.nodes, i, asBigQuery)
		}
		w.json(t.buf)
	}
	if !held {
		t.unheld(col)
	}
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
		if v = text(t.src, n); len(v) == 0 {
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

// timeAt returns the value at node i as an instant: a naive time in the
// source's zone, RFC 3339, or Unix seconds. Zero is NULL.
func (t *Transformer) timeAt(i int) (v time.Time, held bool) {
	s, held := t.textAt(i)
	if s == nil {
		return time.Time{}, held
	}
	var err error
	if digits := bytes.TrimPrefix(s, []byte{'-'}); isDigits(digits) {
		var seconds int64
		seconds, err = strconv.ParseInt(string(s), 10, 64)
		const year1, year9999 = -62135596800, 253402300799 // what a TIMESTAMP holds
		if seconds < year1 || seconds > year9999 {
			return time.Time{}, false
		}
		v = time.Unix(seconds, 0)
	} else if len(s) == len(time.DateTime) && s[10] == ' ' {
		v, err = time.ParseInLocation(time.DateTime, string(s), t.location)
	} else {
		v, err = parseRFC3339(string(s))
	}
	v = v.UTC()
	// The zero time stands for NULL, so the first instant of year 1 is left
	// to extra.
	if err != nil || v.IsZero() || v.Year() < 1 || v.Year() > 9999 {
		return time.Time{}, false
	}
	return v, true
}

// parseRFC3339 parses an RFC 3339 time. What time.Parse lets pass beyond that
// is refused: an hour of one digit, a comma before the fraction, an offset of
// a day or of more than 59 minutes past the hour.
func parseRFC3339(s string) (time.Time, error) {
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return v, err
	}
	const fraction = len("2006-01-02T15:04:05")
	offset, whole := s[len(s)-1:], len(s) > fraction && s[13] == ':' && s[fraction] != ','
	if offset != "Z" {
		offset = s[len(s)-len("07:00"):]
	}
	if !whole || offset != "Z" && (offset >= "24" || offset[3:] >= "60") {
		return v, fmt.Errorf("not an RFC 3339 time")
	}
	return v, nil
}

// timeline returns the text of a key of timeline_data, nil if there is none.
func (t *Transformer) timeline(key string) []byte {
	data := t.values[colTimelineData]
	if data == 0 || t.nodes[data].kind != '{' {
		return nil
	}
	for i := data + 1; i < int(t.nodes[data].next); i = int(t.nodes[i+1].next) {
		if string(text(t.src, &t.nodes[i])) == key {
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
