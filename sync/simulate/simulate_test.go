package simulate_test

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/sync/simulate"
	"leadsync/transform"
)

var now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func deliveries(o simulate.Options) ([]simulate.Delivery, simulate.Truth) {
	t := simulate.New(o)
	return slices.Collect(t.Deliveries()), t.Truth()
}

// Catches anything that makes a run depend on more than its options: a map's
// order, the wall clock, a shared source of chance. Breaking off and going on
// must not show either.
func TestSameOptionsSameBytes(t *testing.T) {
	o := simulate.Options{Seed: 7, Events: 1500, Now: now}
	first, truth := deliveries(o)

	tenant := simulate.New(o)
	var second []simulate.Delivery
	for before := -1; before < len(second); {
		before = len(second)
		for d := range tenant.Deliveries() {
			second = append(second, d)
			if len(second)%100 == 0 {
				break
			}
		}
	}
	if len(first) != len(second) {
		t.Fatalf("%d deliveries, then %d", len(first), len(second))
	}
	for i := range first {
		if !reflect.DeepEqual(first[i], second[i]) {
			t.Fatalf("delivery %d differs:\n%s", i, cmp.Diff(first[i], second[i]))
		}
	}
	if diff := cmp.Diff(truth, tenant.Truth()); diff != "" {
		t.Errorf("truth of the second run differs:\n%s", diff)
	}

	o.Seed++
	other, _ := deliveries(o)
	if len(other) == len(first) && bytes.Equal(other[0].Payload, first[0].Payload) {
		t.Error("another seed gives the same tenant")
	}
}

// Catches payloads that are not what they are said to be: the transform, which
// shares no code with the simulation, must find the same events, copies,
// poison and transitions.
func TestTransformAgreesWithTruth(t *testing.T) {
	list, truth := deliveries(simulate.Options{Seed: 3, Events: 6000, Now: now})
	got := simulate.Truth{Poison: map[string]int{}, Transitions: map[string]int{}}
	seen := map[[16]byte]bool{}
	dimension := slices.IndexFunc(transform.TransitionsLog.Table().Columns, func(c transform.Column) bool { return c.Name == "dimension" })
	tr := transform.New(transform.Options{})
	for i, d := range list {
		got.Messages++
		var rows transform.Rows
		event, err := tr.Transform(&rows, d.Payload, transform.Delivery{PublishedAt: d.PublishedAt, IngestedAt: now, Source: "pubsub"})
		var rejection *transform.Rejection
		if errors.As(err, &rejection) {
			got.Poison[string(rejection.Reason)]++
			if string(rejection.Reason) != d.Poison {
				t.Errorf("delivery %d: rejected as %v, want %q\n%s", i, rejection, d.Poison, d.Payload)
			}
			continue
		}
		if d.Poison != "" {
			t.Errorf("delivery %d: became rows, want %s\n%s", i, d.Poison, d.Payload)
		}
		if !event.OccurredAt.Equal(d.OccurredAt) {
			t.Errorf("delivery %d: occurred at %v, want %v", i, event.OccurredAt, d.OccurredAt)
		}
		if seen[event.ID] != d.Copy {
			t.Errorf("delivery %d: copy is %v, want %v\n%s", i, seen[event.ID], d.Copy, d.Payload)
		}
		if d.Copy {
			got.Copies++
			continue
		}
		got.Events++
		seen[event.ID] = true
		for r := range rows.Len(transform.TransitionsLog) {
			vals, err := transform.TransitionsLog.Table().Values(nil, rows.Row(transform.TransitionsLog, r))
			if err != nil {
				t.Fatal(err)
			}
			got.Transitions[vals[dimension].(string)]++
		}
	}
	got.Late, got.Lost, got.Types = truth.Late, truth.Lost, truth.Types
	if diff := cmp.Diff(truth, got); diff != "" {
		t.Errorf("transform finds something else (-truth +found):\n%s", diff)
	}
	if truth.Messages != truth.Events+truth.Copies+truth.Dead() {
		t.Errorf("%d messages, but %d events + %d copies + %d dead", truth.Messages, truth.Events, truth.Copies, truth.Dead())
	}
}

// Catches a tenant in which something never happens, so that a demonstration
// or test that counts on it proves nothing.
func TestEverythingHappens(t *testing.T) {
	_, truth := deliveries(simulate.Options{Seed: 1, Events: 2000, Now: now})
	types := []string{
		"add_omni_user_success", "object_add_notes", "object_add_tag", "object_add_team_member", "object_change_lead_pool",
		"object_change_owner", "object_create", "object_relation", "object_remove_team_member", "object_restore",
		"object_source_info", "object_update", "object_update_life_cycle", "object_update_status", "object_voids",
	}
	if diff := cmp.Diff(types, slices.Sorted(maps.Keys(truth.Types))); diff != "" {
		t.Errorf("event types (-want +got):\n%s", diff)
	}
	reasons := []string{
		"event_time_invalid", "event_time_out_of_range", "event_type_missing", "extra_data_invalid",
		"json_invalid", "json_too_deep", "not_an_object", "tenant_missing",
	}
	if diff := cmp.Diff(reasons, slices.Sorted(maps.Keys(truth.Poison))); diff != "" {
		t.Errorf("poison (-want +got):\n%s", diff)
	}
	for what, rate := range map[string]struct {
		count    int
		min, max float64
	}{
		"copies": {truth.Copies, 0.02, 0.04},
		"late":   {truth.Late, 0.01, 0.04},
		"poison": {truth.Dead(), 0.004, 0.012},
		"lost":   {truth.Lost, 0.001, 0.015},
	} {
		if got := float64(rate.count) / float64(truth.Events); got < rate.min || got > rate.max {
			t.Errorf("%s: a share of %.4f of the events, want %v to %v", what, got, rate.min, rate.max)
		}
	}
}

// Catches messages from the future, a topic out of order, and a simulation
// that does not fill its span.
func TestTime(t *testing.T) {
	const span = 30 * 24 * time.Hour
	for _, events := range []int{1, 10, 300, 4000} {
		list, truth := deliveries(simulate.Options{Seed: 5, Events: events, Now: now, Span: span})
		if truth.Events != events {
			t.Fatalf("%d events, want %d", truth.Events, events)
		}
		var last time.Time
		var latest time.Time
		for i, d := range list {
			if d.PublishedAt.Before(last) || d.PublishedAt.After(now) {
				t.Fatalf("%d events: delivery %d published at %v, after %v", events, i, d.PublishedAt, last)
			}
			if d.OccurredAt.After(d.PublishedAt) || d.OccurredAt.Before(now.Add(-span)) {
				t.Fatalf("%d events: delivery %d occurred at %v, published at %v", events, i, d.OccurredAt, d.PublishedAt)
			}
			last = d.PublishedAt
			if d.OccurredAt.After(latest) {
				latest = d.OccurredAt
			}
		}
		if gap := now.Sub(latest); events >= 300 && gap > span/8 {
			t.Errorf("%d events: nothing happened in the last %v", events, gap)
		}
	}
}

// Catches noise in what is meant to have none.
func TestClean(t *testing.T) {
	list, truth := deliveries(simulate.Options{Seed: 2, Events: 3000, Now: now, Clean: true})
	if truth.Messages != 3000 || truth.Copies+truth.Dead()+truth.Late+truth.Lost != 0 {
		t.Errorf("not clean: %+v", truth)
	}
	if !slices.IsSortedFunc(list, func(a, b simulate.Delivery) int { return a.OccurredAt.Compare(b.OccurredAt) }) {
		t.Error("events out of order")
	}
}

// Measures what a benchmark that feeds on the simulation must subtract.
func BenchmarkDeliveries(b *testing.B) {
	b.ReportAllocs()
	size := 0
	for d := range simulate.New(simulate.Options{Seed: 1, Events: b.N, Now: now}).Deliveries() {
		size += len(d.Payload)
	}
	b.SetBytes(int64(size / b.N))
}
