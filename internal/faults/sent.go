package faults

import (
	"encoding/hex"
	"errors"
	"iter"
	"time"

	"leadsync/sync/pull/pulltest"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

// sent is what was published, and what must come of it.
type sent struct {
	transformer *transform.Transformer
	rows        transform.Rows
	next        func() (simulate.Delivery, bool)
	stop        func()

	messages map[string]string    // by id: the event in it, "" for what is no event
	events   map[string]*expected // by event_id
	letters  map[string]transform.Reason
}

// expected is what must come of an event.
type expected struct {
	transitions int // rows of transitions_log
	dead        bool
}

// mostEvents is how many events of one simulated tenant there are.
const mostEvents = 200_000

func newSent(o transform.Options) *sent {
	tenant := simulate.New(simulate.Options{Seed: 1, Events: mostEvents, Now: time.Now(), Clean: true})
	s := &sent{
		transformer: transform.New(o),
		messages:    map[string]string{}, events: map[string]*expected{}, letters: map[string]transform.Reason{},
	}
	s.next, s.stop = iter.Pull(tenant.Deliveries())
	return s
}

// note takes down what must come of a payload that was published.
func (s *sent) note(id string, payload []byte) {
	key, rejection := s.read(payload)
	s.messages[id] = key
	if rejection != nil {
		s.letters[id] = rejection.Reason
		return
	}
	if s.events[key] == nil {
		s.events[key] = &expected{transitions: s.rows.Len(transform.TransitionsLog)}
	}
}

// read returns the event_id of a payload, or why it is no event.
func (s *sent) read(payload []byte) (string, *transform.Rejection) {
	s.rows.Reset()
	event, err := s.transformer.Transform(&s.rows, payload, transform.Delivery{IngestedAt: time.Now()})
	var rejection *transform.Rejection
	if errors.As(err, &rejection) {
		return "", rejection
	}
	return hex.EncodeToString(event.ID[:]), nil
}

// distinct returns how many different things were published: events, each
// once, and messages that are none.
func (s *sent) distinct() int {
	n := len(s.events)
	for _, key := range s.messages {
		if key == "" {
			n++
		}
	}
	return n
}

// Events makes n events that were not there before: the payloads of a
// simulated tenant. Nothing is published.
func (r *Rig) Events(n int) []pulltest.Message {
	list := make([]pulltest.Message, 0, n)
	for range n {
		d, ok := r.sent.next()
		if !ok {
			break
		}
		list = append(list, pulltest.Message{Data: d.Payload, Attributes: d.Attributes})
	}
	return list
}

// Load returns how many events to publish where n would be enough for a worker
// that holds many messages at once.
func (r *Rig) Load(n int) int {
	const least = 20
	if r.settings.Outstanding == 0 {
		return n
	}
	return min(n, max(least, 4*r.settings.Outstanding))
}

// Publish publishes n new events now and returns the messages' ids.
func (r *Rig) Publish(n int) []string { return r.Send(r.Events(n)...) }

// Send publishes messages and returns their ids. What must come of each is
// found by transforming it as the worker should.
func (r *Rig) Send(msgs ...pulltest.Message) []string {
	ids := r.PubSub.Publish(msgs...)
	for i, m := range msgs {
		r.sent.note(ids[i], m.Data)
	}
	return ids
}

// EventID returns the event_id of a payload, "" if it is no event.
func (r *Rig) EventID(payload []byte) string {
	id, _ := r.sent.read(payload)
	return id
}

// MustDie says that the warehouse refuses the event in a message: it must
// become a dead letter instead of rows.
func (r *Rig) MustDie(message string, reason transform.Reason) {
	if e := r.sent.events[r.sent.messages[message]]; e != nil {
		e.dead = true
	}
	r.sent.letters[message] = reason
}
