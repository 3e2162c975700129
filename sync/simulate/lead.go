package simulate

import (
	"strconv"
	"time"
)

// A lead is somebody who may become a customer.
type lead struct {
	record
	pool, status coded
	team         []member
	account      *account
	voided       bool
	acts         int
	place        int // in the tenant's leads
}

// arrive lets a lead come in: the platform tells of it by four events in the
// same second, and may hand it out at once.
func (t *Tenant) arrive() {
	l := &lead{record: record{
		object: "lead", definition: "56", id: t.id(), user: t.id(),
		business: pick(t.rng, t.business), created: t.clock, stage: stages[0],
	}, pool: marketPool}
	by := operator{}
	if t.chance(0.2) { // typed in by somebody
		by = t.somebody()
		l.pool = salesPool
	}
	if t.chance(0.6) {
		l.status = statuses[0]
	}
	channel := pick(t.rng, channels)

	user := event{kind: "add_omni_user_success", by: by, created: true}
	user.own.add("lead_omni_user_uuid", quote(l.user))
	user.own.add("created_timestamp", quote(naive(t.clock)))
	t.emit(user)
	t.emit(event{kind: "object_create", about: &l.record, by: by, created: true, changes: t.firstFields(l)})
	stage := event{kind: "object_update_life_cycle", about: &l.record, by: by, created: true}
	stage.own.text("from_life_status", "", emptiness(t.rng.IntN(3)))
	stage.own.add("to_life_status", quote(l.stage.code))
	stage.tells[lifeStatus] = true
	t.emit(stage)
	t.emit(event{kind: "object_source_info", about: &l.record, by: by, created: true, changes: []change{
		{field: "first_source", after: channel}, {field: "utm_campaign", after: plain("spring_" + channel.code)}}})

	l.place = len(t.leads)
	t.leads = append(t.leads, l)
	if t.chance(0.25) {
		l.handOut(t)
	}
	t.lives.push(t.officeHours(t.clock+t.around(10*time.Hour)), l)
}

func (t *Tenant) firstFields(l *lead) []change {
	c := []change{
		{field: "name", after: plain(t.personName())},
		{field: "business_type", after: l.business},
		{field: "headimgurl", after: coded{code: `["http:\\/\\/img.example.test\\/mmhead\\/` + t.id() + `\\/0"]`, label: "image"}},
		{field: "lead_pool", after: l.pool},
		{field: "life_status", after: l.stage},
		{field: "to_baby_lead_timestamp", after: plain(naive(t.clock))},
	}
	if l.status.code != "" {
		c = append(c, change{field: "leads_status", after: l.status})
	}
	for _, more := range []change{
		{field: "mobile", after: plain(t.mobile())},
		{field: "email", after: plain(t.email())},
		{field: "company_id", after: plain(t.company())},
		{field: "title", after: plain(pick(t.rng, titles))},
		{field: "department", after: plain(pick(t.rng, divisions))},
		{field: "industry", after: pick(t.rng, industries)},
		{field: "country_region", after: pick(t.rng, countries)},
	} {
		if t.chance(0.4) {
			c = append(c, more)
		}
	}
	return c
}

// act does what is next in the lead's life.
func (l *lead) act(t *Tenant) int64 {
	l.acts++
	switch {
	case l.voided:
		if t.chance(0.5) {
			return l.end(t)
		}
		l.voided = false
		t.emit(event{kind: "object_restore", about: &l.record, by: t.somebody()})
	case l.stage == won || l.stage == lost:
		l.note(t)
		return l.end(t)
	case l.acts > 60 || t.chance(0.04): // forgotten
		return l.end(t)
	case l.owner.code == "":
		l.handOut(t)
	default:
		l.work(t)
	}
	return t.around(40 * time.Hour)
}

func (l *lead) end(t *Tenant) int64 {
	last := len(t.leads) - 1
	t.leads[l.place] = t.leads[last]
	t.leads[l.place].place = l.place
	t.leads = t.leads[:last]
	return 0
}

// work is what happens to a lead that somebody owns, and how often.
func (l *lead) work(t *Tenant) {
	switch n := t.rng.IntN(100); {
	case n < 22:
		l.note(t)
	case n < 36:
		l.changeStatus(t)
	case n < 59:
		l.advance(t)
	case n < 65:
		l.lose(t)
	case n < 68:
		l.setBack(t)
	case n < 76:
		t.emit(event{kind: "object_update", about: &l.record, by: l.keeper(t), changes: t.edits()})
	case n < 82:
		l.changeTeam(t)
	case n < 86:
		l.relate(t)
	case n < 89:
		l.changeOwner(t, pick(t.rng, t.staff), manualAllocation)
	case n < 92:
		l.changeOwner(t, member{}, manualReturn)
	case n < 96:
		l.changeOwner(t, member{}, autoReclaim)
	case n < 98:
		l.voided = true
		t.emit(event{kind: "object_voids", about: &l.record, by: l.keeper(t)})
	case n < 99:
		l.merge(t)
	default: // a type that nobody has heard of yet
		e := event{kind: "object_add_tag", about: &l.record, by: l.keeper(t)}
		e.own.add("tags", `["高意向","`+strconv.Itoa(2020+t.rng.IntN(10))+` 展会"]`)
		t.emit(e)
	}
}

// keeper returns who acts for the lead: mostly its owner.
func (l *lead) keeper(t *Tenant) operator {
	for _, m := range t.staff {
		if m.code == l.owner.code && t.chance(0.9) {
			return m.operator(t)
		}
	}
	return t.somebody()
}
