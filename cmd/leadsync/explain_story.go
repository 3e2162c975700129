package main

import (
	"context"
	"slices"
	"time"
)

// A story is what the warehouse holds of an entity, or of one event.
type story struct {
	ID         string    `json:"id"`
	Found      string    `json:"found"` // "entity" or "event"
	Tenant     string    `json:"tenant_id"`
	ObjectName string    `json:"object_name,omitempty"`
	EntityID   string    `json:"entity_id,omitempty"`
	FirstAt    time.Time `json:"first_at"`
	LastAt     time.Time `json:"last_at"`
	Events     int64     `json:"events"`
	Copies     int64     `json:"copies"`

	// These are the entity's, for one event too.
	Transitions int64      `json:"transitions"`
	Gaps        int64      `json:"gaps"`
	Repeats     int64      `json:"repeats"`
	ErasedAt    *time.Time `json:"erased_at,omitempty"`

	EarlierEvents   int64        `json:"earlier_events_left_out,omitempty"`
	Told            []*told      `json:"story"`
	DeadLetters     []deadLetter `json:"dead_letters,omitempty"`
	MoreDeadLetters int64        `json:"dead_letters_left_out,omitempty"`
}

// told is one event of a story.
type told struct {
	EventID       string           `json:"event_id"`
	Sequence      string           `json:"sequence"`
	OccurredAt    time.Time        `json:"occurred_at"`
	EventType     string           `json:"event_type"`
	ActionKeyword string           `json:"action_keyword,omitempty"`
	Operator      string           `json:"operator"`
	Copies        int64            `json:"copies"`
	Deliveries    []delivered      `json:"deliveries"` // at most ten; the first is the one that views show
	Columns       []string         `json:"columns"`    // those that hold a value of the event's
	Fields        []toldField      `json:"mapping_data,omitempty"`
	Extra         []toldKey        `json:"extra,omitempty"`
	Transitions   []toldTransition `json:"transitions,omitempty"`
	Without       []toldSilence    `json:"no_transition,omitempty"` // where one might be expected
	Rows          rowCounts        `json:"rows"`
}

// delivered is a copy of an event with how it came.
type delivered struct {
	MessageID    string     `json:"message_id,omitempty"`
	PublishedAt  *time.Time `json:"published_at,omitempty"`
	IngestedAt   *time.Time `json:"ingested_at,omitempty"`
	IngestSource string     `json:"ingest_source,omitempty"`
	Batches      []batch    `json:"one_of_batches,omitempty"` // rows carry no batch's id
}

// A batch is a row of the ledger.
type batch struct {
	ID            string    `json:"batch_id"`
	WorkerID      string    `json:"worker_id"`
	WorkerVersion string    `json:"worker_version,omitempty"`
	CommittedAt   time.Time `json:"committed_at"`
}

type toldField struct {
	Name  string `json:"field"`
	Shape string `json:"shape"`
	Why   string `json:"why"`
}

type toldKey struct {
	Part  string `json:"part"`
	Name  string `json:"key"`
	Shape string `json:"shape"`
	Why   string `json:"why"`
}

// A toldTransition is a transition with its place in the story.
type toldTransition struct {
	Dimension    string     `json:"dimension"`
	From         *string    `json:"from_value"`
	To           *string    `json:"to_value"`
	FromLabel    *string    `json:"from_label,omitempty"`
	ToLabel      *string    `json:"to_label,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Origin       string     `json:"origin"`
	Rule         string     `json:"rule"` // in words
	PreviousTo   *string    `json:"previous_to_value"`
	IsRepeat     bool       `json:"is_repeat"`
	RepeatOf     string     `json:"repeat_of,omitempty"` // event_id
	IsGap        bool       `json:"is_gap"`
	IsCurrent    bool       `json:"is_current"`
	ExitedAt     *time.Time `json:"exited_at,omitempty"`
	ExitedBy     string     `json:"exited_by,omitempty"` // event_id
	DwellSeconds *int64     `json:"dwell_seconds,omitempty"`
	occurredAt   time.Time
	event        string
	sequence     string
}

type toldSilence struct {
	Dimension string `json:"dimension"`
	Why       string `json:"why"`
}

// rowCounts are the rows that an event has, copies included but for field
// changes, of which there is no table.
type rowCounts struct {
	EventsLog      int64 `json:"events_log"`
	TransitionsLog int64 `json:"transitions_log"`
	FieldChanges   int64 `json:"field_changes"`
}

// stories tells of everything that has the id, mostly one thing or nothing.
func (l *lookup) stories(ctx context.Context, id string) (list []*story, err error) {
	found, isEntity, err := l.find(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		s, err := l.story(ctx, id, r, isEntity)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// story gathers the story of one thing that was found.
func (l *lookup) story(ctx context.Context, id string, found record, isEntity bool) (*story, error) {
	s := &story{
		ID: id, Found: "entity", Tenant: found.text("tenant_id"), ObjectName: found.text("object_name"), EntityID: found.text("entity_id"),
		FirstAt: found.instant("first_at"), LastAt: found.instant("last_at"), Events: found.number("events"), Copies: found.number("copies"),
	}
	of := subject{
		Tenant: s.Tenant, Object: s.ObjectName, Entity: s.EntityID,
		From: sqlInstant(s.FirstAt), To: sqlInstant(s.LastAt), Limit: l.limit, Columns: columns(),
	}
	if !isEntity {
		s.Found, of.Event = "event", found.text("an_event_id")
	}
	rows, err := l.ask(ctx, "explain_events", of)
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	s.EarlierEvents = s.Events - int64(len(rows))
	if len(rows) > 0 { // earlier events are not told of
		of.From = sqlInstant(rows[0].instant("occurred_at"))
	}
	tell := newTeller(l.zone)
	for _, r := range rows {
		t, err := tell.event(r)
		if err != nil {
			return nil, err
		}
		s.Told = append(s.Told, t)
	}
	for _, step := range []func(context.Context, *story, subject) error{l.deliveries, l.transitions, l.letters} {
		if err := step(ctx, s, of); err != nil {
			return nil, err
		}
	}
	for _, t := range s.Told {
		tell.compare(t)
	}
	if s.ErasedAt, err = l.erasedAt(ctx, s.EntityID); err != nil {
		return nil, err
	}
	return s, nil
}

// event returns the event of that id, nil if it is not told of.
func (s *story) event(id string) *told {
	for _, t := range s.Told {
		if t.EventID == id {
			return t
		}
	}
	return nil
}

// letters adds the dead letters that have to do with the story.
func (l *lookup) letters(ctx context.Context, s *story, _ subject) (err error) {
	var messages []string
	if s.Found == "event" {
		for _, t := range s.Told {
			for _, d := range t.Deliveries {
				if d.MessageID != "" {
					messages = append(messages, d.MessageID)
				}
			}
		}
	}
	var all int64
	s.DeadLetters, all, err = l.deadLetters(ctx, s.ID, messages)
	s.MoreDeadLetters = all - int64(len(s.DeadLetters))
	return err
}
