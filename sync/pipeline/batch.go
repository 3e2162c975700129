package pipeline

import (
	"errors"
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
	seen    map[[16]byte]struct{} // the batch's events
	run     []*Message            // messages to settle in one call
}

// An entry is a message of a batch.
type entry struct {
	msg        *Message
	settler    Settler
	end        transform.Mark // rows of the batch up to and with this message's
	occurredAt time.Time      // zero for what is no event
	rejection  *transform.Rejection
}

// full reports whether the batch must be closed.
func (b *batch) full(cfg *Config) bool {
	return len(b.entries) >= cfg.MaxRows || b.rows.Bytes() >= cfg.MaxBytes
}

// add takes a message: its rows, or its dead letter, join the batch, and it
// gets the outcome that it has once the batch is durable.
func (b *batch) add(cfg *Config, t *transform.Transformer, m *Message, settler Settler, now time.Time) {
	e := entry{msg: m, settler: settler}
	before := b.rows.Mark()
	event, err := t.Transform(&b.rows, m.Data, transform.Delivery{
		MessageID: m.ID, PublishedAt: m.PublishedAt, IngestedAt: now, Source: cfg.IngestSource,
	})
	if errors.As(err, &e.rejection) {
		bury(&b.rows, cfg, &e, now)
	} else if event.Erased {
		m.Outcome = Filtered
	} else if _, again := b.seen[event.ID]; again {
		m.Outcome = Duplicate
		b.rows.Cut(before)
	} else {
		m.Outcome = Written
		b.seen[event.ID] = struct{}{}
		e.occurredAt = event.OccurredAt
	}
	e.end = b.rows.Mark()
	b.entries = append(b.entries, e)
}

// bury gives a message that cannot become rows its dead letter. One that names
// an erased entity gets none: it would bring back what was erased.
func bury(rows *transform.Rows, cfg *Config, e *entry, now time.Time) {
	if cfg.Transform.Erased.Mentions(e.msg.Data) {
		e.msg.Outcome = Filtered
		return
	}
	e.msg.Outcome = Dead
	rows.AppendDeadLetter(transform.DeadLetter{
		Rejection:     e.rejection,
		Payload:       e.msg.Data,
		Attributes:    e.msg.Attributes,
		MessageID:     e.msg.ID,
		PublishedAt:   e.msg.PublishedAt,
		DeadAt:        now,
		Attempts:      e.msg.Attempt,
		WorkerVersion: cfg.WorkerVersion,
		Policy:        cfg.Transform.Policy,
	})
}

// refuse buries the messages with a row that the warehouse refused for good.
// Where a dead letter itself was refused the message is given back: it is held
// nowhere else.
func (b *batch) refuse(cfg *Config, refused sinks.RowErrors, now time.Time) {
	for _, r := range refused {
		e := b.entryOf(r)
		switch {
		case r.Table == transform.DeadLetters:
			e.msg.Outcome = GivenBack
		case e.msg.Outcome == Written:
			e.rejection = &transform.Rejection{
				Reason: transform.RowRejected, Stage: transform.StageWrite,
				Cause: "a row of " + r.Table.String() + " was refused: " + r.Code,
			}
			bury(&b.closing, cfg, e, now)
		}
	}
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
	for i := range b.entries {
		e := &b.entries[i]
		switch e.msg.Outcome {
		case GivenBack:
			continue
		case Written:
			l.Written++
		case Duplicate:
			l.Duplicates++
		case Filtered:
			l.Filtered++
		case Dead:
			l.Dead++
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
	return l
}

// giveBack takes back every outcome: nothing is known to be durable.
func (b *batch) giveBack() {
	for i := range b.entries {
		b.entries[i].msg.Outcome = GivenBack
	}
}

// reset empties the batch for its next use.
func (b *batch) reset() {
	b.rows.Reset()
	b.closing.Reset()
	clear(b.entries)
	b.entries = b.entries[:0]
	clear(b.seen)
	clear(b.run)
	b.run = b.run[:0]
}
