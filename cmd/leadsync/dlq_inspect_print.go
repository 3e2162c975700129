package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"leadsync/sync/replay"
	"leadsync/transform"
)

// fateWords tells what a fate would mean for a letter.
func fateWords(letter *storedLetter, fate replay.Fate) string {
	switch fate {
	case replay.Written:
		return "a replay would make rows of it"
	case replay.Filtered:
		return "a replay would leave it out: it names a lead that was erased"
	case replay.Dead:
		return "it would die again"
	case replay.Torn:
		return "a part of its payload is missing: it cannot be replayed"
	case replay.Hidden:
		if letter.Stage == string(transform.StageDecode) {
			return "a field policy has blurred it, since it could not be read: it cannot be replayed"
		}
		return "a field policy has hidden values of it: its event would be another one than the original, so it is not replayed"
	default:
		return string(fate)
	}
}

// print prints what is known of a letter as text.
func (s *inspected) print(w io.Writer, zone *time.Location) error {
	out := &sheet{zone: zone}
	state := "open"
	if !s.Open {
		state = "mended"
	}
	out.line("dead letter %s, %s; times are in %s", s.ID, state, zone)
	out.section("error", printable(s.Error)+"\n")
	if s.Place != nil {
		out.list("place", []string{fmt.Sprintf("byte %d", s.Place.Byte), fmt.Sprintf("line %d", s.Place.Line), fmt.Sprintf("column %d", s.Place.Column)})
	}
	if s.Fragment != "" {
		out.section("payload", printable(s.Fragment)+"\n")
	}
	out.list("size", []string{count(s.PayloadBytes, "byte", "bytes")})
	out.list("stage", []string{s.Stage + ", fingerprint " + s.Fingerprint})
	died := []string{out.millisecond(&s.FirstDeadAt)}
	if s.Copies > 1 {
		died = []string{fmt.Sprintf("%d times", s.Copies), "first " + out.millisecond(&s.FirstDeadAt), "last " + out.millisecond(&s.LastDeadAt)}
	}
	if s.WorkerVersion != "" {
		died = append(died, "worker "+s.WorkerVersion)
	}
	out.list("died", died)
	if s.MessageID != "" {
		message := []string{s.MessageID, "published " + out.millisecond(s.PublishedAt)}
		if s.Attempts != nil {
			message = append(message, count(*s.Attempts, "delivery", "deliveries"))
		}
		out.list("message", message)
	}
	var attributes [][]string
	for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
		attributes = append(attributes, []string{name, s.Attributes[name]})
	}
	out.columns("attributes", attributes)
	var history [][]string
	for _, h := range s.Replays {
		history = append(history, []string{out.millisecond(&h.At), h.Outcome, strings.TrimSpace(h.EventID + " " + h.Reason), h.WorkerVersion})
	}
	out.columns("replays", history)
	s.Now.print(out)
	if s.Open && s.Now.Fate == string(replay.Dead) && s.Remedy != "" {
		out.words("accepted by", s.Remedy)
	}
	if s.Open && s.Now.Fate != string(replay.Written) {
		out.words("to mend it", s.Mend)
	}
	_, err := out.b.WriteTo(w)
	return err
}

func (o *outlook) print(out *sheet) {
	words := o.Words
	if o.Error != "" {
		words += ": " + o.Error
	}
	out.words("now", words)
	if o.EventID == "" {
		return
	}
	out.section("event_id", o.EventID+"\n")
	var rows []string
	for _, t := range transform.Tables() {
		if n := o.Rows[t.Name]; n > 0 {
			rows = append(rows, fmt.Sprintf("%s %d", t.Name, n))
		}
	}
	out.list("rows", rows)
}
