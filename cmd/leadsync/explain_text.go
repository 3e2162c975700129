package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A storyPrinter prints what the warehouse holds as text.
type storyPrinter struct {
	w        io.Writer
	zone     *time.Location
	zoneName string
}

// story prints a story.
func (p *storyPrinter) story(s *story) error {
	out := &sheet{zone: p.zone}
	what := printable(entityWords(s.ObjectName, s.EntityID)) + " of tenant " + printable(s.Tenant)
	if s.Found == "event" {
		what = fmt.Sprintf("one event of %s", what)
	}
	out.line("%s", what)
	if s.Found == "entity" {
		out.line("  %s in %s, %s to %s", count(s.Events, "event", "events"), count(s.Copies, "copy", "copies"),
			out.second(s.FirstAt), out.second(s.LastAt))
	}
	if s.EntityID != "" {
		whose := ""
		if s.Found == "event" {
			whose = "in all "
		}
		out.line("  %s%s: %s, %s", whose, count(s.Transitions, "transition", "transitions"), count(s.Gaps, "gap", "gaps"), count(s.Repeats, "repeat", "repeats"))
	}
	if s.ErasedAt != nil {
		out.line("  erased at %s: events about it are left out since", out.second(*s.ErasedAt))
	}
	out.line("  times are in %s", p.zoneName)
	if s.EarlierEvents > 0 {
		out.line("\n%s left out; --limit %d tells of all", count(s.EarlierEvents, "earlier event is", "earlier events are"), s.Events)
	}
	for _, t := range s.Told {
		p.event(out, t)
	}
	p.deadLetters(out, s.ID, s.DeadLetters, s.MoreDeadLetters)
	_, err := out.b.WriteTo(p.w)
	return err
}

func entityWords(object, entity string) string {
	switch {
	case entity == "":
		return "no entity"
	case object == "":
		return "entity " + entity
	default:
		return object + " " + entity
	}
}

// event prints one event of a story.
func (p *storyPrinter) event(out *sheet, t *told) {
	kind := t.EventType
	if t.ActionKeyword != "" && t.ActionKeyword != t.EventType {
		kind += " (" + t.ActionKeyword + ")"
	}
	out.line("\n%s  %s  %s  by %s", out.second(t.OccurredAt), printable(kind), t.EventID, printable(t.Operator))
	out.columns("copies", p.deliveries(out, t))
	if more := t.Copies - int64(len(t.Deliveries)); more > 0 {
		out.list("", []string{count(more, "more copy", "more copies")})
	}
	out.list("columns", t.Columns)
	var fields []string
	for _, f := range t.Fields {
		fields = append(fields, f.Name+" "+f.Shape)
	}
	out.list("mapping_data", fields)
	var extra [][]string
	for _, k := range t.Extra {
		extra = append(extra, []string{k.Part + "." + k.Name, k.Shape, k.Why})
	}
	out.columns("extra", extra)
	var transitions [][]string
	for _, tr := range t.Transitions {
		transitions = append(transitions, []string{tr.Dimension, valueWords(tr.From, tr.FromLabel) + " → " + valueWords(tr.To, tr.ToLabel), tr.words(out)})
	}
	out.columns("transitions", transitions)
	var rules [][]string
	for _, tr := range t.Transitions {
		why := tr.Rule
		if tr.Reason != "" {
			why += "; " + strings.ReplaceAll(tr.Reason, "_", " ")
		}
		rules = append(rules, []string{tr.Dimension, why})
	}
	for _, none := range t.Without {
		rules = append(rules, []string{none.Dimension, "none: " + none.Why})
	}
	out.columns("rules", rules)
	out.list("rows", []string{
		fmt.Sprintf("events_log %d", t.Rows.EventsLog), fmt.Sprintf("transitions_log %d", t.Rows.TransitionsLog),
		fmt.Sprintf("field_changes %d", t.Rows.FieldChanges),
	})
}

// words tells the transition's place in the story.
func (tr *toldTransition) words(out *sheet) string {
	if tr.IsRepeat {
		if tr.RepeatOf == "" {
			return "a repeat of what was told before"
		}
		return "a repeat of what " + tr.RepeatOf + " told"
	}
	var s string
	switch {
	case tr.IsCurrent:
		s = "to this day"
	case tr.ExitedAt != nil:
		s = "until " + out.second(*tr.ExitedAt)
		if tr.DwellSeconds != nil {
			s += " (" + lasting(time.Duration(*tr.DwellSeconds)*time.Second) + ")"
		}
		if tr.ExitedBy != "" {
			s += ", ended by " + tr.ExitedBy
		}
	}
	if tr.IsGap {
		s = "after a gap, the value known before was " + valueWords(tr.PreviousTo, nil) + "; " + s
	}
	return s
}

// deliveries returns the copies of an event with their batches.
func (p *storyPrinter) deliveries(out *sheet, t *told) [][]string {
	rows := [][]string{{"message", "published", "ingested", "source", "durable", "batch", ""}}
	for i, d := range t.Deliveries {
		durable, ids := "–", "none in the ledger fits"
		if n := len(d.Batches); n == 1 {
			durable, ids = out.millisecond(&d.Batches[0].CommittedAt), d.Batches[0].ID
		} else if n > 1 {
			durable = "by " + out.millisecond(&d.Batches[n-1].CommittedAt)
			ids = fmt.Sprintf("one of %d: %s, %s", n, d.Batches[0].ID, d.Batches[1].ID)
			if n > 2 {
				ids += ", …"
			}
		}
		shown := ""
		if i == 0 {
			shown = "views show this one"
		}
		message := d.MessageID
		if message == "" {
			message = "–"
		}
		rows = append(rows, []string{message, out.millisecond(d.PublishedAt), out.millisecond(d.IngestedAt), d.IngestSource, durable, ids, shown})
	}
	return rows
}

// deadLetters prints the dead letters that have to do with an id.
func (p *storyPrinter) deadLetters(out *sheet, id string, letters []deadLetter, more int64) {
	if len(letters) == 0 {
		return
	}
	all := int64(len(letters)) + more
	out.line("\n%s to do with %s", count(all, "dead letter has", "dead letters have"), printable(id))
	rows := [][]string{{"died", "stage", "error", "attempts", "fingerprint", "worker", "dead_letter_id"}}
	for _, l := range letters {
		attempts := "–"
		if l.Attempts != nil {
			attempts = fmt.Sprint(*l.Attempts)
		}
		died := out.second(l.DeadAt)
		if l.LastDeadAt != nil {
			died += ", last " + out.second(*l.LastDeadAt)
		}
		rows = append(rows, []string{died, l.Stage, l.Error, attempts, l.Fingerprint, l.WorkerVersion, l.ID})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
	}
	_ = printColumns(&out.b, rows, 3) // a buffer takes everything
	if more > 0 {
		out.line("  %s", count(more, "earlier one", "earlier ones"))
	}
}

// absence prints what was looked at in vain.
func (p *storyPrinter) absence(a *absence) error {
	out := &sheet{zone: p.zone}
	if a.isDeadLetter() {
		out.line("%s is a dead letter", a.ID)
	} else {
		out.line("No lead, account, event or message here has the id %s", printable(a.ID))
	}
	out.line("  times are in %s", p.zoneName)
	if !a.isDeadLetter() {
		p.lookedAt(out, a)
	}
	p.deadLetters(out, a.ID, a.DeadLetters, a.MoreDeadLetters)
	out.line("\nLikely reasons\n")
	for _, reason := range a.Reasons {
		out.line("  - %s", reason)
	}
	_, err := out.b.WriteTo(p.w)
	return err
}

func (p *storyPrinter) lookedAt(out *sheet, a *absence) {
	out.line("\nLooked at\n")
	rows := [][]string{{"table", "rows", "latest"}}
	for _, t := range a.Tables {
		latest := "–"
		if t.Latest != nil {
			latest = out.second(*t.Latest)
		}
		rows = append(rows, []string{t.Name, grouped(t.Rows), latest})
	}
	_ = printColumns(&out.b, rows, 1) // a buffer takes everything
	erased := "it was not erased"
	if a.ErasedAt != nil {
		erased = "it was erased at " + out.second(*a.ErasedAt)
	}
	mentioned := "no dead letter mentions it"
	if a.DeadLetters != nil {
		mentioned = count(int64(len(a.DeadLetters))+a.MoreDeadLetters, "dead letter mentions it", "dead letters mention it")
	}
	out.line("\n  %s; %s", erased, mentioned)
}
