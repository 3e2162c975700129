package faults

import (
	"fmt"
	"strings"

	"leadsync/sync/pull/pulltest"
	"leadsync/transform"
)

// An account is what is in the tables, compared with what was published.
type account struct {
	unique  int // events that were published and are there
	doubled int // events that views would show twice, or wrongly
	copies  int // rows of events_log beyond the first of each event
	dead    int // dead letters, each once
	lost    int // events and dead letters that were acknowledged and are not there, or not whole
}

// audit compares the tables with what was published. The embedded warehouse
// must not be open in a worker.
func (r *Rig) audit() (a account, err error) {
	t, err := r.read()
	if err != nil {
		return a, err
	}
	r.events(&a, t.rows[transform.EventsLog], t.rows[transform.TransitionsLog])
	r.letters(&a, t.rows[transform.DeadLetters])
	r.ledger(t.rows[transform.SyncBatches])
	for _, v := range t.views {
		a.doubled += max(0, v.shown-v.facts)
		a.lost += max(0, v.facts-v.shown)
	}
	return a, nil
}

// events counts what was written, doubled and lost of events, each event once.
func (r *Rig) events(a *account, events, transitions []row) {
	facts, copies := distinct(transform.EventsLog.Table(), events)
	changes, _ := distinct(transform.TransitionsLog.Table(), transitions)
	a.copies = copies
	told := map[string]int{}     // transitions of each event
	doubled := map[string]bool{} // events that say different things, or that nobody has sent
	for key, forms := range changes {
		event, _, _ := strings.Cut(key, " ")
		told[event]++
		if forms > 1 || r.sent.events[event] == nil {
			doubled[event] = true
		}
	}
	for event, forms := range facts {
		if forms > 1 || r.sent.events[event] == nil {
			doubled[event] = true
		}
	}
	acked := r.acknowledged()
	for event, e := range r.sent.events {
		if e.dead {
			continue // what of its rows was written is no harm: its replay writes them again
		}
		if told[event] > e.transitions {
			doubled[event] = true
		}
		if facts[event] > 0 {
			a.unique++
		}
		whole := facts[event] > 0 && told[event] >= e.transitions
		if acked[event] && !whole { // else it will come again
			a.lost++
		}
	}
	a.doubled = len(doubled)
}

// letters counts the dead letters that are there, and those that should be.
func (r *Rig) letters(a *account, letters []row) {
	there := map[string]bool{}
	for _, l := range letters {
		id, _ := l["message_id"].(string)
		reason, _ := l["reason"].(string)
		if want, ok := r.sent.letters[id]; !ok || string(want) != reason {
			r.Expect(there[id], "message %s is a dead letter (%s) and should not be", id, reason)
		}
		there[id] = true
	}
	a.dead = len(there)
	r.PubSub.Each(func(m pulltest.Record) {
		if reason, ok := r.sent.letters[m.ID]; ok && m.Acks > 0 && !there[m.ID] {
			a.lost++
			r.Expect(false, "message %s was acknowledged and is no dead letter (%s)", m.ID, reason)
		}
	})
}

// ledger expects every row of sync_batches to add up.
func (r *Rig) ledger(batches []row) {
	for _, b := range batches {
		n := func(column string) int64 { v, _ := b[column].(int64); return v }
		r.Expect(n("received") == n("written")+n("duplicates")+n("dead")+n("filtered"),
			"the ledger's batch %v does not add up: %d received", b["batch_id"], n("received"))
	}
}

// acknowledged returns the events of which a message was acknowledged.
func (r *Rig) acknowledged() map[string]bool {
	events := map[string]bool{}
	r.PubSub.Each(func(m pulltest.Record) {
		if m.Acks > 0 {
			events[r.sent.messages[m.ID]] = true
		}
	})
	return events
}

// distinct returns for each fact, named by its key, in how many forms it
// stands in the rows: copies differ in how they came only. It also returns how many
// rows there are beyond the first of each fact.
func distinct(t *transform.Table, rows []row) (forms map[string]int, copies int) {
	seen := map[string]map[string]bool{}
	for _, r := range rows {
		key := make([]string, len(t.Key))
		for i, column := range t.Key {
			key[i] = fmt.Sprint(r[column])
		}
		name := strings.Join(key, " ")
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		} else {
			copies++
		}
		seen[name][form(t, r)] = true
	}
	forms = make(map[string]int, len(seen))
	for key, list := range seen {
		forms[key] = len(list)
	}
	return forms, copies
}

// form returns what a row says, apart from how it came.
func form(t *transform.Table, r row) string {
	var b strings.Builder
	for _, c := range t.Columns {
		v := r[c.Name]
		if c.Delivery || v == nil {
			continue
		}
		if text, ok := v.(string); ok && c.Name == "sequence" {
			v = withoutPublishTime(text)
		}
		fmt.Fprintf(&b, "%s=%v\n", c.Name, v)
	}
	return b.String()
}

// withoutPublishTime leaves out of a sequence when the message was published,
// which differs where an event is published twice.
func withoutPublishTime(sequence string) string {
	parts := strings.Split(sequence, "/")
	if len(parts) == 4 {
		parts[2] = ""
	}
	return strings.Join(parts, "/")
}
