package simulate

import (
	"cmp"
	"math/rand/v2"
	"strconv"
	"time"
)

// A writer writes events down as the platform does, with its ways of saying
// the same thing differently from event to event.
type writer struct {
	rng     *rand.Rand
	spoiled int // messages spoiled so far
}

func (w *writer) chance(share float64) bool { return w.rng.Float64() < share }

// write returns the payload of an event that happened at that second.
func (w *writer) write(e *event, at int64) []byte {
	return w.envelope(e, at).append(make([]byte, 0, 1536))
}

// envelope returns the payload's keys. Most events have them in the
// documented order, those of accounts in any.
func (w *writer) envelope(e *event, at int64) fields {
	anyOrder := e.about != nil && e.about.object == "account" || w.chance(0.1)
	data := w.extraData(e)
	if anyOrder {
		data.shuffle(w.rng)
	}
	f := fields{
		{"mid", `"` + TenantID + `"`},
		{"event_category", `"object_v2"`},
		{"event_type", quote(e.kind)},
		{"action_keyword", quote(cmp.Or(e.keyword, e.kind))},
		{"create_time", number(w.rng, at, 0.03)},
		{"extra_data", string(data.append(nil))},
	}
	if w.chance(0.03) {
		f[0].json = TenantID // a number
	}
	if w.chance(0.02) {
		f.add("openplatform", `"June"`)
	}
	if w.chance(0.01) {
		f.add("trace_id", strconv.FormatUint(w.rng.Uint64(), 10)) // nobody knows this key
	}
	if anyOrder {
		f.shuffle(w.rng)
	}
	return f
}

func (w *writer) extraData(e *event) fields {
	empty := pick(w.rng, []emptiness{emptyString, emptyString, emptyNull, emptyNull, emptyAbsent})
	f := make(fields, 0, 40)
	if r := e.about; r != nil {
		f.add("object_id", quote(r.definition))
		if w.chance(0.05) {
			f[0].json = r.definition // a number
		}
		f.add("object_name", quote(r.object))
		f.add("entity_id", quote(r.id))
	}
	w.operator(&f, e, empty)
	if r := e.about; r != nil && !e.bare {
		w.record(&f, e, r, empty)
	}
	f = append(f, e.own...)
	w.mapping(&f, e)
	if w.chance(0.02) {
		f.add("score_model", pick(w.rng, []string{`"v2"`, `0.73`, `3.14159265358979323846`, `{"name":"意向评分","weights":[0.4,0.6]}`}))
	}
	return f
}

func (w *writer) operator(f *fields, e *event, empty emptiness) {
	by := &e.by
	f.add("operator_type", strconv.Itoa(by.kind))
	f.add("operator_id", number(w.rng, int64(by.number), 0.05))
	f.text("omni_user_uuid", by.user, empty)
	follows := int64(0)
	if e.follows {
		follows = 1
	}
	f.add("is_follow_up", number(w.rng, follows, 0.03))
	f.text("notes", e.notes, empty)
	f.text("login_platform", by.login.platform, empty)
	f.text("login_source_value", by.login.sourceValue, empty)
	f.text("login_source_type", by.login.sourceType, empty)
	f.text("login_environment", by.login.environment, empty)
	if by.kind == 0 && w.chance(0.1) {
		f.add("timeline_data", "[]")
		return
	}
	var line fields
	line.text("login_platform", by.login.platform, empty)
	line.text("login_environment", by.login.environment, empty)
	line.text("login_source_type", by.login.sourceType, empty)
	line.text("login_source_name", by.login.sourceName, empty)
	f.add("timeline_data", string(line.append(nil)))
}

func (w *writer) record(f *fields, e *event, r *record, empty emptiness) {
	f.add("business_type", quote(r.business.code))
	f.add("created_timestamp", quote(naive(r.created)))
	if !e.tells[owner] || e.kind != "object_change_owner" { // which has an owner of its own
		f.text("owner", r.owner.code, max(empty, emptyNull))
	}
	if r.object == "lead" {
		f.text("life_status", r.stage.code, empty)
		f.add("lead_omni_user_uuid", quote(r.user))
	}
	f.add("business_type_name", quote(r.business.label))
	if w.chance(0.05) {
		f.add("business_unit", "null")
		f.add("baby_lead_action_uuid", "null")
	}
}

// mapping adds mapping_data and mapping_data_text: of one element on
// creation, of two on change, and in several ways when nothing changed.
func (w *writer) mapping(f *fields, e *event) {
	if len(e.changes) == 0 {
		if w.chance(0.5) {
			empty := pick(w.rng, []string{"[]", "{}", "null"})
			f.add("mapping_data", empty)
			f.add("mapping_data_text", empty)
		}
		return
	}
	data, text := make(fields, 0, len(e.changes)), make(fields, 0, len(e.changes))
	for _, c := range e.changes {
		if e.created {
			data.add(c.field, "["+w.value(c.after)+"]")
			text.add(c.field, quote(c.after.text()))
			continue
		}
		data.add(c.field, "["+w.value(c.before)+","+w.value(c.after)+"]")
		text.add(c.field, "["+quote(c.before.text())+","+quote(c.after.text())+"]")
	}
	f.add("mapping_data", string(data.append(nil)))
	f.add("mapping_data_text", string(text.append(nil)))
}

func (w *writer) value(c coded) string {
	switch {
	case c.raw:
		return c.code
	case c.code != "":
		return quote(c.code)
	case w.chance(0.2):
		return `""`
	default:
		return "null"
	}
}

// text returns the label: that of a plain value is the value, that of none
// is a dash.
func (c coded) text() string { return cmp.Or(c.label, c.code, "-") }

// naive writes Unix seconds as the platform does: in Shanghai, without saying so.
func naive(at int64) string {
	return time.Unix(at+8*3600, 0).UTC().Format(time.DateTime)
}
