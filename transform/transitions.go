package transform

import "bytes"

// A dimension is one of the four things whose changes are told as transitions.
type dimension struct {
	name      string
	field     string // its key in mapping_data
	eventType string // the event made for it
	from, to  int    // that event's own columns
	created   int    // column that holds its value on creation where mapping_data does not; -1: none
}

// dimensions are in the order in which an event's transitions are written.
var dimensions = [...]dimension{
	{"owner", "owner", "object_change_owner", eventColumn("former_owner"), eventColumn("owner"), eventColumn("owner")},
	{"life_status", "life_status", "object_update_life_cycle", eventColumn("from_life_status"), eventColumn("to_life_status"), eventColumn("life_status")},
	{"lead_pool", "lead_pool", "object_change_lead_pool", eventColumn("from_lead_pool"), eventColumn("to_lead_pool"), -1},
	{"status", "leads_status", "object_update_status", eventColumn("from_leads_status"), eventColumn("to_leads_status"), -1},
}

// reasons are the words for scene_type, from 1.
var reasons = [...]string{"auto_allocation", "manual_allocation", "pool_claim", "manual_return", "auto_reclaim", "duplicate_merge"}

// A transition is one row of transitions_log; nil is NULL.
type transition struct {
	from, to           []byte
	fromLabel, toLabel []byte
	origin             string
}

// appendTransitions appends the event's rows of transitions_log, at most one a
// dimension, and returns the size of the largest in bytes.
func (t *Transformer) appendTransitions(dst *Rows, d Delivery) int {
	largest := 0
	for i := range dimensions {
		dim := &dimensions[i]
		tr := t.transition(dim)
		if bytes.Equal(tr.from, tr.to) { // NULL is never an empty text here
			continue
		}
		w := dst.begin(TransitionsLog)
		w.text(t.id[:])
		w.text(t.sequence)
		w.micros(t.occurred * 1e6)
		w.text(t.string(colTenantID))
		w.text(t.string(colObjectName))
		w.text(t.string(colEntityID))
		w.str(dim.name)
		w.text(tr.from)
		w.text(tr.to)
		w.text(tr.fromLabel)
		w.text(tr.toLabel)
		t.appendReason(&w, dim, tr)
		w.str(tr.origin)
		w.text(t.string(colEventType))
		w.text(t.string(colActionKeyword))
		if v, ok, _ := t.intAt(t.values[colOperatorType]); ok {
			w.int(v)
		} else {
			w.null()
		}
		w.text(t.string(colOperatorID))
		w.str(d.MessageID)
		w.time(d.PublishedAt)
		w.time(d.IngestedAt)
		w.str(d.Source)
		largest = max(largest, w.end())
	}
	return largest
}

// transition tells what the event says about the dimension. from and to are
// equal where it says nothing.
func (t *Transformer) transition(dim *dimension) transition {
	tr, changed := transition{origin: "field_change"}, false
	for i := range t.changes {
		if c := &t.changes[i]; string(c.field) == dim.field {
			changed = true
			tr.from, tr.to = c.beforeValue, c.afterValue
		}
	}
	eventType := t.string(colEventType)
	// Most events say nothing of most dimensions: 5 % of an event's time.
	if !changed && string(eventType) != dim.eventType && string(eventType) != "object_create" {
		return tr
	}
	tr.fromLabel, tr.toLabel = t.label(dim.field)
	switch string(eventType) {
	case dim.eventType:
		tr.origin = "event"
		// An own field wins; an empty one says nothing, since the source
		// sends "", null and no key at all for the same.
		if v := t.string(dim.from); v != nil {
			tr.from = v
		}
		if v := t.string(dim.to); v != nil {
			tr.to = v
		}
		if v := unlessDash(t.string(colFormerOwnerName)); v != nil && dim.name == "owner" {
			tr.fromLabel = v
		}
	case "object_create":
		tr.origin = "creation"
		tr.from, tr.fromLabel = nil, nil
		if tr.to == nil && dim.created >= 0 {
			tr.to = t.string(dim.created)
		}
	}
	return tr
}

// appendReason writes reason_code and reason, which only an owner change has.
func (t *Transformer) appendReason(w *rowWriter, dim *dimension, tr transition) {
	var code int64
	var ok bool
	if dim.name == "owner" && tr.origin == "event" {
		code, ok, _ = t.intAt(t.values[colSceneType])
	}
	if !ok {
		w.null()
		w.null()
		return
	}
	w.int(code)
	if code >= 1 && code <= int64(len(reasons)) {
		w.str(reasons[code-1])
	} else {
		w.null()
	}
}
