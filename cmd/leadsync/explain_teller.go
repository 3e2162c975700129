package main

import (
	"fmt"
	"slices"
	"time"

	"leadsync/transform"
)

// A teller explains stored events by the rules that made their rows.
type teller struct {
	transformer *transform.Transformer
	rows        transform.Rows
	explained   map[string]*transform.Explanation // by event_id
}

func newTeller(zone *time.Location) *teller {
	return &teller{
		transformer: transform.New(transform.Options{Location: zone}),
		explained:   make(map[string]*transform.Explanation),
	}
}

// event tells what was in an event.
func (t *teller) event(r record) (*told, error) {
	at := r.instant("occurred_at")
	payload, err := transform.Rebuild(func(column string) any { return r[column] })
	if err != nil {
		return nil, err
	}
	t.rows.Reset()
	// The time must be within bounds of when the event came; its own is.
	e, err := t.transformer.Explain(&t.rows, payload, transform.Delivery{IngestedAt: at})
	if err != nil {
		return nil, fmt.Errorf("explain event %s: %w", r.text("event_id"), err)
	}
	out := &told{
		EventID: r.text("event_id"), Sequence: r.text("sequence"), OccurredAt: at, EventType: r.text("event_type"),
		ActionKeyword: r.text("action_keyword"), Operator: whoActed(r["operator_type"], r["operator_id"]),
	}
	t.explained[out.EventID] = e
	for _, k := range e.Keys {
		switch k.Fate {
		case transform.Held:
			out.Columns = append(out.Columns, k.Column)
		case transform.Refused, transform.Unknown:
			out.Extra = append(out.Extra, toldKey{k.Part.String(), k.Name, k.Shape, k.Why})
		}
	}
	for _, f := range e.Fields {
		out.Fields = append(out.Fields, toldField{f.Name, f.Shape, f.Why})
		if f.Change != nil {
			out.Rows.FieldChanges++
		}
	}
	return out, nil
}

// compare adds to an event's transitions the rules that made them, and where
// there is none but might be, why.
func (t *teller) compare(event *told) {
	for _, d := range t.explained[event.EventID].Dimensions {
		i := slices.IndexFunc(event.Transitions, func(tr toldTransition) bool { return tr.Dimension == d.Name })
		switch {
		case i >= 0 && d.Transition != nil:
			event.Transitions[i].Rule = d.Why
		case i >= 0:
			event.Transitions[i].Rule = "not by the rules of this version: " + d.Why
		case d.Transition != nil:
			event.Without = append(event.Without, toldSilence{d.Name, "transitions_log lacks the row that this version makes: " + d.Why})
		case d.Expected:
			event.Without = append(event.Without, toldSilence{d.Name, d.Why})
		}
	}
}
