package pipeline

import (
	"errors"
	"fmt"

	"leadsync/sinks"
	"leadsync/transform"
)

// write makes a batch durable and settles its messages. The ledger's row
// follows the rows it counts, so that it never tells of what did not happen.
func (p *Pipeline) write(b *batch) {
	if err := p.writeRows(b); err != nil {
		b.giveBack()
		p.cfg.Logger.Warn("batch given back", "messages", len(b.entries), "error", err)
	} else if err := p.publish(b); err != nil {
		b.giveBackDead()
		p.cfg.Logger.Warn("dead letters given back", "error", err)
	}
	p.window.add(b.entries)
	p.report(b)
	for i := 0; i < len(b.entries); {
		b.run = b.run[:0]
		settler := b.entries[i].settler
		for ; i < len(b.entries) && b.entries[i].settler == settler; i++ {
			b.run = append(b.run, b.entries[i].msg)
		}
		p.settle(settler, b.run)
	}
}

// writeRows returns nil once the messages of the batch have the outcomes that
// are durable, and an error when nothing is known.
func (p *Pipeline) writeRows(b *batch) error {
	var refused sinks.RowErrors
	if err := p.cfg.Sink.Write(p.writes, &b.rows); errors.As(err, &refused) {
		b.refuse(&p.cfg, refused, p.cfg.Now())
	} else if err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	id := fmt.Sprintf("%s-%d", p.cfg.WorkerID, p.batches.Add(1))
	ledger := b.ledger(&p.cfg, id, p.cfg.Now())
	if ledger.Received == 0 {
		return nil
	}
	b.closing.AppendBatch(ledger)
	if err := p.cfg.Sink.Write(p.writes, &b.closing); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// report tells the observer and the log what became of a batch.
func (p *Pipeline) report(b *batch) {
	now := p.cfg.Now()
	var dead [len(transform.Reasons)]int
	var first [len(transform.Reasons)]*entry
	for i := range b.entries {
		e := &b.entries[i]
		if !e.msg.Outcome.Durable() {
			continue
		}
		if !e.msg.PublishedAt.IsZero() {
			p.cfg.Observer.Durable(now.Sub(e.msg.PublishedAt))
		}
		if e.msg.Outcome == Dead {
			p.cfg.Observer.DeadLetter(e.msg.Rejection.Reason)
			for r, reason := range transform.Reasons {
				if reason == e.msg.Rejection.Reason {
					if dead[r]++; first[r] == nil {
						first[r] = e
					}
				}
			}
		}
	}
	for r, n := range dead {
		if n > 0 { // one line a batch and reason, however many letters
			rejection := first[r].msg.Rejection
			p.cfg.Logger.Warn("dead letters", "reason", rejection.Reason, "stage", rejection.Stage, "messages", n,
				"first_message_id", first[r].msg.ID, "first_fingerprint", rejection.Fingerprint(), "first_error", rejection)
		}
	}
}
