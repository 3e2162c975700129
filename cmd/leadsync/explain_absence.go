package main

import (
	"context"
	"time"

	"leadsync/transform"
)

// A deadLetter is one that has to do with what is asked for.
type deadLetter struct {
	ID            string     `json:"dead_letter_id"`
	Reason        string     `json:"reason"`
	Stage         string     `json:"stage"`
	Error         string     `json:"error"`
	Fingerprint   string     `json:"fingerprint"`
	DeadAt        time.Time  `json:"dead_at"`
	LastDeadAt    *time.Time `json:"last_dead_at,omitempty"` // nil where it died once
	Attempts      *int64     `json:"attempts,omitempty"`
	WorkerVersion string     `json:"worker_version,omitempty"`
	MessageID     string     `json:"message_id,omitempty"`
}

// deadLetters returns the latest dead letters that mention the id or came of
// one of the messages, and how many there are.
func (l *lookup) deadLetters(ctx context.Context, id string, messages []string) (letters []deadLetter, all int64, err error) {
	rows, err := l.ask(ctx, "explain_dead_letters", map[string]any{"ID": id, "Messages": messages})
	for _, r := range rows {
		letter := deadLetter{
			ID: r.text("dead_letter_id"), Reason: r.text("reason"), Stage: r.text("stage"), Error: r.text("error"),
			Fingerprint: r.text("fingerprint"), DeadAt: r.instant("first_dead_at"), WorkerVersion: r.text("worker_version"),
			MessageID: r.text("message_id"),
		}
		if last := r.instant("last_dead_at"); !last.Equal(letter.DeadAt) {
			letter.LastDeadAt = &last
		}
		if n := r.number("attempts"); n > 0 {
			letter.Attempts = &n
		}
		letters, all = append(letters, letter), r.number("letters")
	}
	return letters, all, err
}

// An absence tells what was looked at for an id that nothing was found of.
type absence struct {
	ID              string       `json:"id"`
	Found           string       `json:"found"` // "nothing" or "dead_letter"
	Tables          []tableCount `json:"looked_at"`
	ErasedAt        *time.Time   `json:"erased_at,omitempty"`
	DeadLetters     []deadLetter `json:"dead_letters,omitempty"`
	MoreDeadLetters int64        `json:"dead_letters_left_out,omitempty"`
	Reasons         []string     `json:"likely_reasons"`
}

// A tableCount is a table with what it holds in all.
type tableCount struct {
	Name   string     `json:"table"`
	Rows   int64      `json:"rows"`
	Latest *time.Time `json:"latest,omitempty"`
}

// isDeadLetter reports whether the id is a dead letter's own, or its message's.
func (a *absence) isDeadLetter() bool { return a.Found == "dead_letter" }

// absence gathers what can be said of an id that no event has.
func (l *lookup) absence(ctx context.Context, id string) (*absence, error) {
	letters, all, err := l.deadLetters(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	a := &absence{ID: id, Found: "nothing", DeadLetters: letters, MoreDeadLetters: all - int64(len(letters))}
	for _, letter := range letters {
		if letter.ID == id || letter.MessageID == id {
			a.Found = "dead_letter"
		}
	}
	if a.ErasedAt, err = l.erasedAt(ctx, id); err != nil {
		return nil, err
	}
	rows, err := l.ask(ctx, "explain_tables", nil)
	if err != nil {
		return nil, err
	}
	for _, table := range transform.Tables() {
		for _, r := range rows {
			if r.text("name") == table.Name {
				a.Tables = append(a.Tables, tableCount{table.Name, r.number("number"), r.optionalTime("latest")})
			}
		}
	}
	a.Reasons = a.reasons(l.zone)
	return a, nil
}

// reasons are the likely ones, the likeliest first.
func (a *absence) reasons(zone *time.Location) []string {
	if a.ErasedAt != nil {
		return []string{"It was erased: events about it are left out for good."}
	}
	if a.isDeadLetter() {
		return []string{"It is a dead letter: its error says what kept it from becoming rows. Mend that and send the event again."}
	}
	if len(a.DeadLetters) > 0 {
		return []string{"Its events became dead letters: the errors say why. Mend the cause and send them again."}
	}
	events, latest := int64(0), (*time.Time)(nil)
	for _, t := range a.Tables {
		if t.Name == transform.EventsLog.String() {
			events, latest = t.Rows, t.Latest
		}
	}
	if events == 0 || latest == nil {
		return []string{"The warehouse holds no event at all: no worker has written to it. leadsync config shows which one this is."}
	}
	return []string{
		"Its events have not come yet: the latest that is here happened at " + latest.In(zone).Format(time.DateTime) +
			". What is later is still on its way, or was never published.",
		"It is in another warehouse: leadsync config shows which one this is.",
		"It is written differently: ids are compared as they are, and case matters.",
	}
}
