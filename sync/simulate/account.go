package simulate

import "time"

// An account is a company that leads belong to.
type account struct {
	record
	acts int
}

// open creates an account, a few minutes before the platform tells of it.
func (t *Tenant) open(by operator, business coded) {
	a := &account{record: record{object: "account", definition: "31", id: t.id(), business: business,
		created: t.clock - t.rng.Int64N(600)}}
	if t.chance(0.5) {
		a.owner = pick(t.rng, t.staff).coded
	}
	name := t.company()
	t.emit(event{kind: "object_create", about: &a.record, by: by, created: true, changes: []change{
		{field: "name", after: plain(name)},
		{field: "company_id", after: plain(name)},
		{field: "business_type", after: business},
		{field: "industry", after: pick(t.rng, industries)},
		{field: "official_website", after: plain("https://www." + t.id()[:8] + ".example.test")},
	}})
	if len(t.accounts) == 1000 {
		t.accounts = t.accounts[500:]
	}
	t.accounts = append(t.accounts, a)
	t.lives.push(t.officeHours(t.clock+t.around(5*24*time.Hour)), a)
}

// act does what is next in the account's life, a few times.
func (a *account) act(t *Tenant) int64 {
	a.acts++
	by := t.somebody()
	switch n := t.rng.IntN(100); {
	case n < 65:
		t.emit(event{kind: "object_update", about: &a.record, by: by, changes: t.edits()})
	case n < 85:
		from, to := a.owner, pick(t.rng, t.staff).coded
		if a.owner = to; from != to {
			t.move(&a.record, owner, from, to, by, "manual_distribution", field{"scene_type", "2"})
		}
	case n < 95:
		t.emit(event{kind: "object_update", about: &a.record, by: by, changes: []change{{"company_id", coded{}, plain(t.company())}}})
	default:
		t.emit(event{kind: "object_voids", about: &a.record, by: by})
		return 0
	}
	if a.acts >= 5 {
		return 0
	}
	return t.around(12 * 24 * time.Hour)
}
