package pipeline

import (
	"sort"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A batch is messages whose rows are written together. It belongs to one
// goroutine at a time: the worker that fills it, then the one that writes it.
type batch struct {
	started time.Time
	rows    transform.Rows        // of events, and dead letters of what is none
	closing transform.Rows        // written after rows: dead letters of refused rows, the ledger
	entries []entry               // in order of their rows
	seen    map[[16]byte]struct{} // the keys of the batch's events
	tallies tallies
	run     []*Message // messages to settle in one call
}

// An entry is a message of a batch.
type entry struct {
	msg        *Message
	settler    Settler
	end        transform.Mark // rows of the batch up to and with this message's
	occurredAt time.Time      // zero where no row was made of it
	key        [16]byte       // of the event, as eventKey returns it, or of the dead letter of what is none
	tally      int32          // place among the batch's tallies
}

// full reports whether the batch must be closed.
func (b *batch) full(cfg *Config) bool {
	return len(b.entries) >= cfg.MaxRows || b.rows.Bytes() >= cfg.MaxBytes
}

// add takes a message: its rows, or its dead letter, join the batch, and it
// gets the outcome that it has once the batch is durable.
func (p *Pipeline) add(b *batch, t *transform.Transformer, m *Message, settler Settler, now time.Time) {
	e := entry{msg: m, settler: settler}
	m.Rejection = nil
	before := b.rows.Mark()
	event, err := t.Transform(&b.rows, m.Data, transform.Delivery{
		MessageID: m.ID, PublishedAt: m.PublishedAt, IngestedAt: now, Source: p.cfg.IngestSource, EventID: m.EventID,
	})
	if err != nil {
		e.tally = b.tallies.unknown()
		p.addDead(b, &e, err, now)
	} else {
		e.key, e.tally = eventKey(event.ID, m), b.tallies.find(event.OccurredAt, event.Type)
		if event.Erased || p.cfg.Wants != nil && !p.cfg.Wants(&event) {
			m.Outcome = Filtered
			b.rows.Cut(before)
		} else if p.stands(b, e.key) || e.key != event.ID && p.stands(b, event.ID) {
			m.Outcome = Duplicate
			b.rows.Cut(before)
		} else {
			m.Outcome = Written
			b.seen[e.key] = struct{}{}
			e.occurredAt = event.OccurredAt
		}
	}
	e.end = b.rows.Mark()
	b.entries = append(b.entries, e)
}

// eventKey returns what tells a message's event from others: its identity, or
// another key where the message does not tell when the event was published. A
// copy that does is no duplicate of one that does not, since the time orders
// events of the same second; the other way round it is.
func eventKey(id [16]byte, m *Message) [16]byte {
	if m.PublishedAt.IsZero() {
		id[0] ^= 1
	}
	return id
}

// stands reports whether an event of that key is in the batch, or was made
// durable lately.
func (p *Pipeline) stands(b *batch, key [16]byte) bool {
	if _, is := b.seen[key]; is {
		return true
	}
	return p.window.has(key)
}

// entryOf returns the entry that a row of the batch belongs to.
func (b *batch) entryOf(r sinks.RowError) *entry {
	i := sort.Search(len(b.entries), func(i int) bool { return b.entries[i].end[r.Table] > r.Row })
	return &b.entries[i]
}

// ledger returns the batch's row of the ledger. Messages that are given back
// are not in it: they will be in another's.
func (b *batch) ledger(cfg *Config, id string, now time.Time) transform.Batch {
	l := transform.Batch{
		ID: id, WorkerID: cfg.WorkerID, WorkerVersion: cfg.WorkerVersion, Source: cfg.IngestSource,
		StartedAt: b.started, CommittedAt: now,
	}
	if l.CommittedAt.Before(l.StartedAt) { // the clock was set back meanwhile
		l.CommittedAt = l.StartedAt
	}
	for i := range b.entries {
		e := &b.entries[i]
		tally := &b.tallies.list[e.tally]
		switch e.msg.Outcome {
		case GivenBack:
			continue
		case Written:
			l.Written++
			tally.Written++
		case Duplicate:
			l.Duplicates++
			tally.Duplicates++
		case Filtered:
			l.Filtered++
			tally.Filtered++
		case Dead:
			l.Dead++
			tally.Dead++
		}
		l.Received++
		if e.occurredAt.IsZero() {
			continue
		}
		if l.MinOccurredAt.IsZero() || e.occurredAt.Before(l.MinOccurredAt) {
			l.MinOccurredAt = e.occurredAt
		}
		if e.occurredAt.After(l.MaxOccurredAt) {
			l.MaxOccurredAt = e.occurredAt
		}
	}
	l.Tallies = b.tallies.counted()
	return l
}

// giveBack takes back every outcome: nothing is known to be durable.
func (b *batch) giveBack() {
	for i := range b.entries {
		b.entries[i].msg.giveBack()
	}
}

// reset empties the batch for its next use.
func (b *batch) reset() {
	b.rows.Reset()
	b.closing.Reset()
	clear(b.entries)
	b.entries = b.entries[:0]
	clear(b.seen)
	b.tallies.reset()
	clear(b.run)
	b.run = b.run[:0]
}
