package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"leadsync/transform"
)

// sent is an event of a file with what becomes of it.
type sent struct {
	Input      inputPlace `json:"input"`
	Accepted   bool       `json:"accepted"`
	DeadLetter *rejected  `json:"dead_letter,omitempty"`

	EventID    string          `json:"event_id,omitempty"`
	OccurredAt *time.Time      `json:"occurred_at,omitempty"`
	EventType  string          `json:"event_type,omitempty"`
	ObjectName string          `json:"object_name,omitempty"`
	EntityID   string          `json:"entity_id,omitempty"`
	Keys       []sentKey       `json:"keys,omitempty"`
	Fields     []sentField     `json:"mapping_data,omitempty"`
	Labels     []sentLabel     `json:"labels_not_used,omitempty"`
	Dimensions []sentDimension `json:"dimensions,omitempty"`
	Rows       []sentRow       `json:"rows,omitempty"`
}

type inputPlace struct {
	File   string `json:"file"`
	Record int    `json:"record"`
	Line   int    `json:"line"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
}

type rejected struct {
	Reason      string `json:"reason"`
	Stage       string `json:"stage"`
	Error       string `json:"error"`
	Line        int    `json:"line,omitempty"` // of the input, where the error has a place
	Column      int    `json:"column,omitempty"`
	Mend        string `json:"mend"`
	ID          string `json:"dead_letter_id,omitempty"`
	Fingerprint string `json:"fingerprint"`
}

type sentKey struct {
	Part   string `json:"part"`
	Name   string `json:"key"`
	Shape  string `json:"shape"`
	Fate   string `json:"fate"`
	Column string `json:"column,omitempty"`
	Policy string `json:"policy,omitempty"`
	Why    string `json:"why,omitempty"`
}

type sentField struct {
	Name   string      `json:"field"`
	Shape  string      `json:"shape"`
	Change *sentChange `json:"change"` // null: none
	Policy string      `json:"policy,omitempty"`
	Why    string      `json:"why"`
}

type sentChange struct {
	BeforeValue *string `json:"before_value"`
	AfterValue  *string `json:"after_value"`
	BeforeLabel *string `json:"before_label,omitempty"`
	AfterLabel  *string `json:"after_label,omitempty"`
}

type sentLabel struct {
	Field string `json:"field"`
	Why   string `json:"why"`
}

type sentDimension struct {
	Name       string          `json:"dimension"`
	Transition *sentTransition `json:"transition"` // null: none
	Why        string          `json:"why"`
}

type sentTransition struct {
	From      *string `json:"from_value"`
	To        *string `json:"to_value"`
	FromLabel *string `json:"from_label,omitempty"`
	ToLabel   *string `json:"to_label,omitempty"`
	Origin    string  `json:"origin"`
}

type sentRow struct {
	Table string `json:"table"`
	Bytes int    `json:"bytes"`
}

// fill takes over what an explanation says.
func (s *sent) fill(e *transform.Explanation) {
	s.Accepted = true
	s.EventID, s.OccurredAt = hex.EncodeToString(e.Event.ID[:]), &e.Event.OccurredAt
	s.EventType, s.ObjectName, s.EntityID = e.EventType, e.ObjectName, e.EntityID
	for _, k := range e.Keys {
		s.Keys = append(s.Keys, sentKey{k.Part.String(), k.Name, k.Shape, string(k.Fate), k.Column, k.Policy, k.Why})
	}
	for _, f := range e.Fields {
		s.Fields = append(s.Fields, sentField{f.Name, f.Shape, (*sentChange)(f.Change), f.Policy, f.Why})
	}
	for _, l := range e.Labels {
		s.Labels = append(s.Labels, sentLabel(l))
	}
	for _, d := range e.Dimensions {
		s.Dimensions = append(s.Dimensions, sentDimension{d.Name, (*sentTransition)(d.Transition), d.Why})
	}
	for _, r := range e.Rows {
		s.Rows = append(s.Rows, sentRow{r.Table.String(), r.Bytes})
	}
}

// print prints the explanation as text.
func (s *sent) print(w io.Writer, zone *time.Location) error {
	out := &sheet{zone: zone}
	in := s.Input
	out.line("%s, record %d, line %d, %s", printable(in.File), in.Record, in.Line, count(in.Bytes, "byte", "bytes"))
	if s.DeadLetter != nil {
		s.DeadLetter.print(out)
	} else {
		s.printAccepted(out)
	}
	_, err := out.b.WriteTo(w)
	return err
}

func (r *rejected) print(out *sheet) {
	out.list("dead letter", []string{r.Error})
	if r.Line > 0 {
		place := fmt.Sprintf("line %d", r.Line)
		if r.Column > 0 {
			place += fmt.Sprintf(", column %d", r.Column)
		}
		out.list("place", []string{place})
	}
	out.list("to mend it", []string{r.Mend})
	if r.ID != "" {
		out.list("dead_letter_id", []string{r.ID})
	}
}

func (s *sent) printAccepted(out *sheet) {
	about := "no entity"
	if s.EntityID != "" {
		about = entityWords(s.ObjectName, s.EntityID)
	}
	out.list("accepted", []string{fmt.Sprintf("%s of %s, at %s (%s)", s.EventType, about, out.second(*s.OccurredAt), out.zone)})
	out.list("event_id", []string{s.EventID})
	for _, part := range []transform.Part{transform.Envelope, transform.ExtraData} {
		var rows [][]string
		for _, k := range s.Keys {
			if k.Part == part.String() {
				rows = append(rows, k.words())
			}
		}
		out.columns(part.String(), rows)
	}
	var fields [][]string
	for _, f := range s.Fields {
		change := "–"
		if c := f.Change; c != nil {
			change = clipped(valueWords(c.BeforeValue, c.BeforeLabel)) + " → " + clipped(valueWords(c.AfterValue, c.AfterLabel))
		}
		fields = append(fields, []string{f.Name, f.Shape, change, withPolicy(f.Why, f.Policy)})
	}
	out.columns("mapping_data", fields)
	var labels [][]string
	for _, l := range s.Labels {
		labels = append(labels, []string{l.Field, l.Why})
	}
	out.columns("labels unused", labels)
	var dimensions [][]string
	for _, d := range s.Dimensions {
		change := "none"
		if tr := d.Transition; tr != nil {
			change = valueWords(tr.From, tr.FromLabel) + " → " + valueWords(tr.To, tr.ToLabel)
		}
		dimensions = append(dimensions, []string{d.Name, change, d.Why})
	}
	out.columns("transitions", dimensions)
	var rows []string
	for _, r := range s.Rows {
		rows = append(rows, fmt.Sprintf("%s %s", r.Table, count(int64(r.Bytes), "byte", "bytes")))
	}
	out.list("rows", rows)
}

// words tells what becomes of a key, in cells.
func (k *sentKey) words() []string {
	to := k.Column
	switch transform.Fate(k.Fate) {
	case transform.Empty:
		to += ": NULL"
	case transform.Refused, transform.Unknown:
		to = "extra"
	case transform.Dropped:
		to = "nowhere"
	case transform.Opened:
		to = "its keys"
	}
	return []string{k.Name, k.Shape, to, withPolicy(k.Why, k.Policy)}
}

func withPolicy(why, policy string) string {
	if policy == "" {
		return why
	}
	return strings.TrimPrefix(why+"; field policy: "+policy, "; ")
}

// clipped shortens a text to what one line of a table can show.
func clipped(s string) string {
	const most = 48
	if printWidth(s) <= most {
		return s
	}
	width := 0
	for i, r := range s {
		if width += printWidth(string(r)); width >= most {
			return s[:i] + "…"
		}
	}
	return s
}
