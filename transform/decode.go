package transform

import (
	"fmt"
	"strconv"
	"time"
)

// decode reads the payload up to the point where it is known to be an event,
// and finds the node of each column's value.
func (t *Transformer) decode(payload []byte, now time.Time) *Rejection {
	if len(payload) > MaxPayload {
		return &Rejection{
			Reason: TooLarge, Stage: StageDecode,
			Cause: fmt.Sprintf("above %d MiB", MaxPayload>>20), Detail: fmt.Sprintf("(%d bytes)", len(payload)),
		}
	}
	if r := t.parse(payload); r != nil {
		return r
	}
	if t.nodes[0].kind != '{' {
		return &Rejection{Reason: NotAnObject, Stage: StageDecode, Cause: "not a JSON object"}
	}
	t.src, t.unquoted = payload, t.unquoted[:0]
	if t.redactor != nil {
		t.redact()
	}
	clear(t.values[:len(tables[EventsLog].Columns)])
	t.values[colCreateTime], t.values[colExtraData] = 0, 0
	t.spare[0], t.spare[1] = t.spare[0][:0], t.spare[1][:0]

	t.place(0, Envelope)
	if t.string(colEventType) == nil {
		return missing(EventTypeMissing, "event_type")
	}
	if t.string(colTenantID) == nil {
		return missing(TenantMissing, "mid")
	}
	if r := t.readTime(t.values[colCreateTime], now); r != nil {
		return r
	}
	extraData := t.values[colExtraData]
	if extraData == 0 || t.nodes[extraData].kind == 'n' {
		return nil
	}
	switch n := &t.nodes[extraData]; {
	case n.kind == '{':
		t.place(extraData, ExtraData)
	case n.kind != '[' || int(n.next) > extraData+1:
		return &Rejection{Reason: ExtraDataInvalid, Stage: StageTransform, Cause: "extra_data is not an object"}
	}
	return nil
}

// parse finds the nodes and the identity of a JSON text.
func (t *Transformer) parse(payload []byte) *Rejection {
	var ok bool
	if t.nodes, ok = scan(t.nodes[:0], payload); ok {
		t.identity = t.canonical.eventID(payload, t.nodes)
		if !t.canonical.duplicate {
			return nil
		}
	}
	var r *Rejection
	if t.nodes, r = t.reader.read(t.nodes[:0], payload); r != nil {
		return r
	}
	identify(t.nodes, payload)
	t.identity = t.canonical.eventID(payload, t.nodes)
	return nil
}

// place notes for each key of a part, the object at node i, where its column's
// value is, or that no column holds it.
func (t *Transformer) place(i int, part Part) {
	columns := &keys.columns[part]
	end := int(t.nodes[i].next)
	for i++; i < end; i = int(t.nodes[i+1].next) {
		if col := columns[t.nodes[i].key%maxKeys]; col != noColumn {
			t.values[col] = i + 1
		} else {
			t.spare[part] = append(t.spare[part], i)
		}
	}
}

func missing(reason Reason, key string) *Rejection {
	return &Rejection{Reason: reason, Stage: StageTransform, Cause: key + " is missing, empty or not text"}
}

// readTime reads the event's time from the value of create_time at node i, 0
// if there is none.
func (t *Transformer) readTime(i int, now time.Time) *Rejection {
	digits, _ := t.textAt(i)
	if digits == nil || !isWhole(t.nodes[i].kind, digits) {
		return &Rejection{Reason: EventTimeInvalid, Stage: StageTransform, Cause: "create_time is missing or not whole seconds"}
	}
	if t.now != now.Unix() {
		t.now = now.Unix()
		t.first, t.last = now.AddDate(-10, 0, 0).Unix(), now.AddDate(1, 0, 0).Unix()
		if !t.oldest.IsZero() {
			t.first = min(t.first, t.oldest.Unix())
		}
	}
	// BigQuery's streams refuse a partition outside these bounds, and with it
	// the whole request.
	seconds, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || seconds < t.first || seconds > t.last {
		return &Rejection{Reason: EventTimeOutOfRange, Stage: StageTransform, Cause: "create_time is not within 10 years back and 1 year ahead"}
	}
	t.occurred = seconds
	return nil
}

// isWhole reports whether a value is an integer: a number without fraction and
// exponent, or a string of digits.
func isWhole(kind byte, text []byte) bool {
	switch kind {
	case '0':
		return isInteger(text)
	case '"':
		return isDigits(text)
	default:
		return false
	}
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}
