package pipeline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// addDead takes a message that is no event.
func (p *Pipeline) addDead(b *batch, e *entry, err error, now time.Time) {
	var rejection *transform.Rejection
	errors.As(err, &rejection) // Transform has no other
	if p.window != nil {
		e.key = letterKey(rejection, e.msg.Data)
		if p.window.has(e.key) { // its letter stands already
			e.msg.Outcome = Duplicate
			return
		}
	}
	bury(&b.rows, &p.cfg, e.msg, rejection, now)
}

// letterKey returns what tells a dead letter from others: its identity.
func letterKey(r *transform.Rejection, payload []byte) (key [16]byte) {
	_, _ = hex.Decode(key[:], []byte(transform.DeadLetterID(r.Reason, payload))) // 32 digits
	return key
}

// bury gives a message that cannot become rows its dead letter. One that names
// an erased entity gets none: it would bring back what was erased.
func bury(rows *transform.Rows, cfg *Config, m *Message, rejection *transform.Rejection, now time.Time) {
	if cfg.Transform.Erased.Mentions(m.Data) {
		m.Outcome = Filtered
		return
	}
	m.Outcome, m.Rejection = Dead, rejection
	attributes := m.Attributes
	if cfg.Origin != nil {
		attributes = cfg.Origin(m)
	}
	rows.AppendDeadLetter(transform.DeadLetter{
		Rejection:     rejection,
		Payload:       m.Data,
		Attributes:    attributes,
		MessageID:     m.ID,
		PublishedAt:   m.PublishedAt,
		DeadAt:        now,
		Attempts:      m.Attempt,
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
			e.msg.giveBack()
		case e.msg.Outcome == Written:
			bury(&b.closing, cfg, e.msg, &transform.Rejection{
				Reason: transform.RowRejected, Stage: transform.StageWrite,
				Cause: "a row of " + r.Table.String() + " was refused: " + r.Code,
			}, now)
		}
	}
}

// letters returns the dead letters that are durable, as they stand in their
// table.
func (b *batch) letters() *transform.Rows {
	rows := new(transform.Rows)
	next := 0
	for i := range b.entries {
		e := &b.entries[i]
		for ; next < e.end[transform.DeadLetters]; next++ {
			if e.msg.Outcome == Dead {
				rows.Append(transform.DeadLetters, b.rows.Row(transform.DeadLetters, next))
			}
		}
	}
	for i := range b.closing.Len(transform.DeadLetters) {
		rows.Append(transform.DeadLetters, b.closing.Row(transform.DeadLetters, i))
	}
	return rows
}

// giveBackDead takes back the outcome of the dead ones alone.
func (b *batch) giveBackDead() {
	for i := range b.entries {
		if b.entries[i].msg.Outcome == Dead {
			b.entries[i].msg.giveBack()
		}
	}
}

// publish hands the batch's dead letters on once they stand in their table.
// That comes last, so that they are handed on again only if they are read
// again.
func (p *Pipeline) publish(b *batch) error {
	if p.cfg.Letters == nil {
		return nil
	}
	letters := b.letters()
	if letters.Total() == 0 {
		return nil
	}
	if err := p.cfg.Letters.Publish(p.writes, letters); err != nil {
		return fmt.Errorf("publish dead letters: %w", err)
	}
	return nil
}
