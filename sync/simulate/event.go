package simulate

// A coded is a value with the label that people read. The zero value is none.
type coded struct {
	code, label string
	raw         bool // code is JSON text, not a string
}

// A member is one of the tenant's staff, who own leads and act.
type member struct {
	coded
	number int    // operator_id
	user   string // omni_user_uuid
}

// A record is what the platform knows of every lead and account.
type record struct {
	object, definition string // object_name, object_id
	id                 string
	business           coded
	created            int64
	owner              coded
	stage              coded  // leads only
	user               string // leads only
}

// An operator is who did something, and where they were logged in.
type operator struct {
	kind   int // 0 nobody, 1 backend login user, 2 member
	number int
	user   string
	login  login
}

type login struct{ platform, sourceValue, sourceType, sourceName, environment string }

// A change is one field of an event's mapping_data.
type change struct {
	field         string
	before, after coded
}

// An event is something that happened, before it is written down.
type event struct {
	kind    string // event_type
	keyword string // action_keyword, where it is not the kind
	about   *record
	by      operator
	notes   string
	follows bool // is_follow_up
	own     fields
	changes []change
	created bool // mapping_data tells of values, not of changes
	bare    bool // without the record's own data
	tells   tells
}

// The dimensions of transitions, and where an event tells of them.
const (
	owner = iota
	lifeStatus
	leadPool
	leadsStatus
)

var dimensions = [...]struct{ name, field, from, to, kind string }{
	owner:       {"owner", "owner", "former_owner", "owner", "object_change_owner"},
	lifeStatus:  {"life_status", "life_status", "from_life_status", "to_life_status", "object_update_life_cycle"},
	leadPool:    {"lead_pool", "lead_pool", "from_lead_pool", "to_lead_pool", "object_change_lead_pool"},
	leadsStatus: {"status", "leads_status", "from_leads_status", "to_leads_status", "object_update_status"},
}

// tells says of which dimensions an event tells a transition.
type tells [len(dimensions)]bool

// emit makes the event happen now: it is written down and posted, unless it
// gets lost on the way.
func (t *Tenant) emit(e event) {
	if t.done() {
		return
	}
	for d := range dimensions {
		for _, c := range e.changes {
			if c.field == dimensions[d].field && c.before.code != c.after.code {
				e.tells[d] = true
			}
		}
	}
	if e.kind == "object_create" {
		e.tells[owner] = e.tells[owner] || e.about.owner.code != ""
		e.tells[lifeStatus] = e.tells[lifeStatus] || e.about.stage.code != ""
	}
	if !t.opt.Clean && !e.created && e.tells != (tells{}) && t.chance(0.012) {
		t.truth.Lost++
		return
	}
	t.made++
	m := message{kind: e.kind, tells: e.tells}
	m.Payload = t.writer.write(&e, t.clock)
	t.post.send(m, t.clock)
	if !t.opt.Clean && t.chance(0.0075) {
		m := message{kind: e.kind}
		m.Payload, m.Poison = t.writer.spoil(&e, t.clock)
		t.post.send(m, t.clock)
	}
}

// move tells that the record passed from one value of the dimension to
// another: by the event made for it, and sometimes a second time as a changed
// field of an update in the same second.
func (t *Tenant) move(r *record, dim int, from, to coded, by operator, keyword string, own ...field) {
	d := dimensions[dim]
	e := event{kind: d.kind, keyword: keyword, about: r, by: by}
	e.tells[dim] = true
	empty := emptiness(t.rng.IntN(2))
	e.own.text(d.from, from.code, empty)
	e.own.text(d.to, to.code, empty)
	e.own = append(e.own, own...)
	told := change{d.field, from, to}
	switch {
	case dim == lifeStatus && t.chance(0.5):
		e.changes = []change{told, {"to_" + to.code + "_timestamp", coded{}, plain(naive(t.clock))}}
	case dim == owner: // comes without the lead's own data unless enabled
		e.bare = t.chance(0.8)
		if !e.bare {
			e.changes = []change{told}
		}
	case t.chance(0.85):
		e.changes = []change{told}
	}
	t.emit(e)
	if t.chance(0.08) {
		t.emit(event{kind: "object_update", about: r, by: by, changes: append(t.edits(), told)})
	}
}
