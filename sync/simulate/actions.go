package simulate

import (
	"slices"
	"strconv"
)

// The scene types: why an owner changed.
const (
	autoAllocation = 1 + iota
	manualAllocation
	poolClaim
	manualReturn
	autoReclaim
	duplicateMerge
)

// handOut gives the lead an owner.
func (l *lead) handOut(t *Tenant) {
	m := pick(t.rng, t.staff)
	switch n := t.rng.IntN(100); {
	case n < 40:
		l.changeOwner(t, m, autoAllocation)
	case n < 65:
		l.changeOwner(t, m, manualAllocation)
	case n < 92:
		l.changeOwner(t, m, poolClaim)
	default: // not yet: it only goes to another pool
		l.changePool(t, keyPool, t.somebody())
	}
}

// changeOwner hands the lead to somebody, or back: with nobody, it returns to
// the pool.
func (l *lead) changeOwner(t *Tenant, to member, scene int) {
	from := l.owner
	if from.code == to.code {
		return
	}
	by, keyword := l.keeper(t), ""
	switch scene {
	case autoAllocation:
		by, keyword = operator{}, "auto_distribution"
	case autoReclaim:
		by = operator{}
	case manualAllocation:
		keyword = "manual_distribution"
	case poolClaim:
		by = to.operator(t)
	}
	l.owner = to.coded
	own := fields{
		{"former_owner_name", quote(from.label)},
		{"scene_type", number(t.rng, int64(scene), 0.1)},
	}
	switch t.rng.IntN(4) {
	case 0:
		own.add("entity_change_mapping", "[]")
	case 1:
		own.add("entity_change_mapping", `{"owner":[`+quote(from.text())+`,`+quote(to.text())+`]}`)
	}
	t.move(&l.record, owner, from, to.coded, by, keyword, own...)
	switch {
	case from.code == "":
		l.changePool(t, coded{}, by)
	case to.code == "":
		l.changePool(t, salesPool, by)
	}
}

func (l *lead) changePool(t *Tenant, to coded, by operator) {
	from := l.pool
	if from == to {
		return
	}
	l.pool = to
	t.move(&l.record, leadPool, from, to, by, "")
}

func (l *lead) changeStage(t *Tenant, to coded, by operator) {
	from := l.stage
	l.stage = to
	t.move(&l.record, lifeStatus, from, to, by, "")
}

func (l *lead) advance(t *Tenant) {
	i := slices.Index(stages, l.stage)
	if stages[i+1] == won && t.chance(0.35) {
		l.lose(t)
		return
	}
	l.changeStage(t, stages[i+1], l.keeper(t))
}

func (l *lead) setBack(t *Tenant) {
	if i := slices.Index(stages, l.stage); i > 0 {
		l.changeStage(t, stages[i-1], l.keeper(t))
	}
}

func (l *lead) lose(t *Tenant) { l.changeStage(t, lost, l.keeper(t)) }

func (l *lead) changeStatus(t *Tenant) {
	from, to := l.status, pick(t.rng, statuses)
	if from == to {
		return
	}
	l.status = to
	t.move(&l.record, leadsStatus, from, to, l.keeper(t), "")
}

func (l *lead) note(t *Tenant) {
	t.emit(event{kind: "object_add_notes", about: &l.record, by: l.keeper(t),
		notes: pick(t.rng, notes), follows: t.chance(0.7)})
}

// changeTeam adds one or two collaborators, or removes one. The platform's
// shape of them is not documented: one uuid, a list in a string or an array.
func (l *lead) changeTeam(t *Tenant) {
	e := event{kind: "object_add_team_member", about: &l.record, by: l.keeper(t)}
	switch i := t.rng.IntN(len(t.staff) - 1); {
	case len(l.team) > 0 && t.chance(0.5):
		last := len(l.team) - 1
		e.kind = "object_remove_team_member"
		e.own.add("members", quote(l.team[last].code))
		l.team = l.team[:last]
	case t.chance(0.6):
		e.own.add("members", quote(t.staff[i].code))
		l.team = append(l.team, t.staff[i])
	case t.chance(0.5):
		e.own.add("members", quote(t.staff[i].code+","+t.staff[i+1].code))
		l.team = append(l.team, t.staff[i:i+2]...)
	default:
		e.own.add("members", "["+quote(t.staff[i].code)+","+quote(t.staff[i+1].code)+"]")
		l.team = append(l.team, t.staff[i:i+2]...)
	}
	t.emit(e)
}

// relate ties the lead to an account, a new one or one that is known.
func (l *lead) relate(t *Tenant) {
	if l.account != nil {
		return
	}
	by := l.keeper(t)
	if len(t.accounts) == 0 || t.chance(0.6) {
		t.open(by, l.business)
	}
	l.account = pick(t.rng, t.accounts)
	t.emit(relation(&l.record, &l.account.record, by))
	if t.chance(0.3) {
		t.emit(relation(&l.account.record, &l.record, by))
	}
}

func relation(of, to *record, by operator) event {
	e := event{kind: "object_relation", about: of, by: by}
	e.own.add("target_object_id", strconv.Quote(to.definition))
	e.own.add("target_entity_id", strconv.Quote(to.id))
	e.own.add("target_object_name", strconv.Quote(to.object))
	return e
}

// merge finds out that the lead is another one's copy: it goes to that one's
// owner and is voided.
func (l *lead) merge(t *Tenant) {
	twin := pick(t.rng, t.leads)
	for _, m := range t.staff {
		if twin != l && m.code == twin.owner.code {
			l.changeOwner(t, m, duplicateMerge)
		}
	}
	l.voided = true
	t.emit(event{kind: "object_voids", about: &l.record, by: operator{}})
}
