package main

import (
	"cmp"
	"context"
	"slices"
)

// transitions adds the events' transitions with their places in the story.
func (l *lookup) transitions(ctx context.Context, s *story, of subject) error {
	if s.EntityID == "" {
		return nil
	}
	counts, err := l.ask(ctx, "explain_rows", of)
	if err != nil {
		return err
	}
	for _, r := range counts {
		if t := s.event(r.text("event_id")); t != nil {
			t.Rows.TransitionsLog = r.number("transitions")
		}
	}
	of.Limit = maxTransitions
	rows, err := l.ask(ctx, "explain_transitions", of)
	if err != nil {
		return err
	}
	all := make([]toldTransition, len(rows))
	for i, r := range rows {
		s.Transitions, s.Gaps, s.Repeats = r.number("transitions"), r.number("gaps"), r.number("repeats")
		all[i] = transitionOf(r)
	}
	slices.SortStableFunc(all, func(a, b toldTransition) int {
		return cmp.Or(a.occurredAt.Compare(b.occurredAt), cmp.Compare(a.sequence, b.sequence))
	})
	for i := range all {
		tr := &all[i]
		tr.RepeatOf, tr.ExitedBy = repeatOf(all, i), exitedBy(all, i)
		if t := s.event(tr.event); t != nil {
			t.Transitions = append(t.Transitions, *tr)
		}
	}
	for _, t := range s.Told {
		slices.SortStableFunc(t.Transitions, func(a, b toldTransition) int { return dimensionPlace(a.Dimension) - dimensionPlace(b.Dimension) })
	}
	return nil
}

func dimensionPlace(name string) int {
	return slices.Index([]string{"owner", "life_status", "lead_pool", "status"}, name)
}

func transitionOf(r record) toldTransition {
	tr := toldTransition{
		Dimension: r.text("dimension"), From: r.optional("from_value"), To: r.optional("to_value"),
		FromLabel: r.optional("from_label"), ToLabel: r.optional("to_label"), Reason: r.text("reason"), Origin: r.text("origin"),
		PreviousTo: r.optional("previous_to_value"), IsRepeat: r.flag("is_repeat"), IsGap: r.flag("is_gap"), IsCurrent: r.flag("is_current"),
		ExitedAt: r.optionalTime("exited_at"), occurredAt: r.instant("occurred_at"), event: r.text("event_id"), sequence: r.text("sequence"),
	}
	if tr.ExitedAt != nil {
		dwell := r.number("dwell_seconds")
		tr.DwellSeconds = &dwell
	}
	return tr
}

// repeatOf returns the event that first told what transition i repeats; "" if
// it is none, or the other is not at hand.
func repeatOf(all []toldTransition, i int) string {
	tr := &all[i]
	if !tr.IsRepeat {
		return ""
	}
	first := ""
	for j := range all {
		o := &all[j]
		if o.IsRepeat || o.Dimension != tr.Dimension || o.occurredAt.After(tr.occurredAt) {
			continue
		}
		// The run that it belongs to begins where another value is entered.
		if !equal(o.To, tr.To) {
			if o.occurredAt.Before(tr.occurredAt) {
				first = ""
			}
		} else if first == "" {
			first = o.event
		}
	}
	return first
}

// exitedBy returns the event that ended transition i; "" if there is none.
func exitedBy(all []toldTransition, i int) string {
	tr := &all[i]
	if tr.ExitedAt == nil {
		return ""
	}
	by := ""
	for j := range all {
		o := &all[j]
		if j == i || o.IsRepeat || o.Dimension != tr.Dimension || !o.occurredAt.Equal(*tr.ExitedAt) {
			continue
		}
		if equal(o.PreviousTo, tr.To) {
			return o.event
		}
		if by == "" {
			by = o.event
		}
	}
	return by
}

func equal(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
