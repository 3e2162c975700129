package main

import (
	"encoding/json"
	"testing"
	"time"

	"leadsync/transform"
)

// TestEvents catches events that are alike, that transform does not take, or
// whose size is not the one asked for.
func TestEvents(t *testing.T) {
	const n, size = 3 * numTemplates, 1500
	now := time.Now()
	events := NewEvents(1, size, now)
	transformer := transform.New(transform.Options{})
	ids := map[[16]byte]bool{}
	types := map[string]int{}
	var rows transform.Rows
	for i := range n {
		payload := events.Payload(i)
		if d := len(payload) - size; d < -3 || d > 200 {
			t.Fatalf("event %d has %d bytes, want about %d", i, len(payload), size)
		}
		event, err := transformer.Transform(&rows, payload, transform.Delivery{IngestedAt: now, Source: "pubsub"})
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		ids[event.ID] = true
		var kind struct {
			EventType string `json:"event_type"`
		}
		if err := json.Unmarshal(payload, &kind); err != nil {
			t.Fatal(err)
		}
		types[kind.EventType]++
	}
	if len(ids) != n {
		t.Errorf("%d different events of %d", len(ids), n)
	}
	if len(types) != len(kinds) {
		t.Errorf("types of events: %v", types)
	}
	if changes := rows.Len(transform.TransitionsLog); changes < n/4 {
		t.Errorf("%d transitions of %d events", changes, n)
	}
}

// TestEventsRepeat catches events that depend on anything but the arguments.
func TestEventsRepeat(t *testing.T) {
	now := time.Now()
	a, b, other := NewEvents(1, 1500, now), NewEvents(1, 1500, now), NewEvents(2, 1500, now)
	for i := range 100 {
		if string(a.Payload(i)) != string(b.Payload(i)) {
			t.Fatalf("event %d differs between equal seeds", i)
		}
		if string(a.Payload(i)) == string(other.Payload(i)) {
			t.Fatalf("event %d is the same for another seed", i)
		}
	}
}
