package main

import (
	"context"
	"time"
)

// copiesToldOf is how many copies of an event are told of; explain_copies has
// the same number.
const copiesToldOf = 10

// maxBatchQuestions bounds for how many copies batches are looked for.
const maxBatchQuestions = 200

// batchWithin is how long after a copy was made its batch may have become
// durable: longer than Pub/Sub keeps a message that is not acknowledged.
const batchWithin = 8 * 24 * time.Hour

// deliveries adds the copies of each event with how they came.
func (l *lookup) deliveries(ctx context.Context, s *story, of subject) error {
	of.Limit = l.limit * copiesToldOf
	rows, err := l.ask(ctx, "explain_copies", of)
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := s.event(r.text("event_id"))
		if t == nil {
			continue // another of the same second, not told of
		}
		t.Copies, t.Rows.EventsLog = r.number("copies"), r.number("copies")
		t.Deliveries = append(t.Deliveries, delivered{
			MessageID: r.text("message_id"), PublishedAt: r.optionalTime("published_at"),
			IngestedAt: r.optionalTime("ingested_at"), IngestSource: r.text("ingest_source"),
		})
	}
	return l.batches(ctx, s)
}

// A batchQuestion is what is known of the batch of a copy, as literals.
type batchQuestion struct{ Source, Ingested, Until, Occurred string }

// batches adds to each copy the batches that may have brought it.
func (l *lookup) batches(ctx context.Context, s *story) error {
	var questions []batchQuestion
	var first, last time.Time
	for place := range copiesToldOf { // the copies that views show go first
		for _, t := range s.Told {
			if place >= len(t.Deliveries) || t.Deliveries[place].IngestedAt == nil || len(questions) == maxBatchQuestions {
				continue
			}
			at := *t.Deliveries[place].IngestedAt
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if until := at.Add(batchWithin); until.After(last) {
				last = until
			}
			questions = append(questions, batchQuestion{
				t.Deliveries[place].IngestSource, sqlInstant(at), sqlInstant(at.Add(batchWithin)), sqlInstant(t.OccurredAt),
			})
		}
	}
	if questions == nil {
		return nil
	}
	rows, err := l.ask(ctx, "explain_batches", map[string]any{"From": sqlInstant(first), "To": sqlInstant(last), "Copies": questions})
	if err != nil {
		return err
	}
	for _, t := range s.Told {
		for i := range t.Deliveries {
			d := &t.Deliveries[i]
			for _, r := range rows {
				if mayHold(r, d, t.OccurredAt) {
					d.Batches = append(d.Batches, batch{
						r.text("batch_id"), r.text("worker_id"), r.text("worker_version"), r.instant("committed_at"),
					})
				}
			}
		}
	}
	return nil
}

// mayHold reports whether a batch may have brought a copy of an event.
func mayHold(r record, d *delivered, occurred time.Time) bool {
	return d.IngestedAt != nil && r.text("ingest_source") == d.IngestSource &&
		!r.instant("started_at").After(*d.IngestedAt) && !r.instant("committed_at").Before(*d.IngestedAt) &&
		!r.instant("min_occurred_at").After(occurred) && !r.instant("max_occurred_at").Before(occurred)
}
