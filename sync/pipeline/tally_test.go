package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// Events of two days and types with every outcome, in one batch. Catches a
// count under a wrong day or type, and messages of which neither is known that
// are left out. (That the tallies are the counts is looked at by every test
// that reads the ledger.)
func TestTallies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		faulty := sinktest.NewFaulty(t, memory, sinktest.RefuseWhere(transform.EventsLog, "entity_id", "refused"))
		set := &transform.Erased{}
		set.Set([]transform.EntityDigest{transform.DigestEntity("erased")})
		midnight := time.Now().UTC().Truncate(24 * time.Hour)
		var msgs []*Message
		add := func(eventType, entity string, at time.Time) {
			msgs = append(msgs, &Message{ID: fmt.Sprint(len(msgs)), Data: fmt.Appendf(nil,
				`{"mid":"1","event_type":%q,"create_time":%d,"extra_data":{"object_name":"lead","entity_id":%q}}`, eventType, at.Unix(), entity)})
		}
		add("object_create", "a", midnight)
		add("object_create", "b", midnight.Add(-time.Second))
		add("object_update", "c", midnight)
		add("object_create", "d", midnight.Add(24*time.Hour-time.Second))
		add("object_create", "a", midnight)
		add("object_create", "erased", midnight)
		add("object_update", "refused", midnight)
		msgs = append(msgs, &Message{ID: "no event", Data: []byte("[]")}, &Message{ID: "names one", Data: []byte("[erased]")})

		err := start(Config{Sink: faulty, Transform: transform.Options{Erased: set}}).Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			return submit(ctx, msgs, settler)
		}))
		if err != nil {
			t.Fatal(err)
		}
		want := [][]any{
			{nil, nil, int64(0), int64(0), int64(1), int64(1)},
			{midnight, "object_create", int64(2), int64(1), int64(0), int64(1)},
			{midnight.Add(-24 * time.Hour), "object_create", int64(1), int64(0), int64(0), int64(0)},
			{midnight, "object_update", int64(1), int64(0), int64(1), int64(0)},
		}
		got := memory.Column(transform.SyncBatches, "tallies")[0].([][]any)
		less := func(a, b []any) bool { return fmt.Sprint(a) < fmt.Sprint(b) }
		if diff := cmp.Diff(sorted(want, less), sorted(got, less)); diff != "" {
			t.Errorf("tallies (-want +got):\n%s", diff)
		}
		ledger(t, memory)
	})
}

func sorted(list [][]any, less func(a, b []any) bool) [][]any {
	for i := range list {
		for j := i; j > 0 && less(list[j], list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// A stream of nothing but types and days of its own, some of them long.
// Catches a row of the ledger without bound.
func TestTalliesAreBounded(t *testing.T) {
	var b tallies
	now := time.Now()
	const n = 3*maxTallies + 1
	for i := range n {
		place := b.find(now.AddDate(0, 0, -i), fmt.Appendf(nil, "type-%d", i%7))
		b.list[place].Written++
	}
	list := b.counted()
	sum := 0
	for _, one := range list {
		sum += one.Written
	}
	if len(list) != maxTallies || sum != n || list[0].EventType != "" || !list[0].Day.IsZero() || list[0].Written != n-(maxTallies-1) {
		t.Errorf("%d tallies of %d events, the first %+v", len(list), sum, list[0])
	}
	b.reset()
	if place := b.find(now, []byte(strings.Repeat("x", maxEventType+1))); place != 0 {
		t.Errorf("a type of %d bytes has a tally", maxEventType+1)
	}
}

// An event of a day before 1970, which a backfill may have.
func TestTallyOfAnOldDay(t *testing.T) {
	var b tallies
	at := time.Date(1969, 12, 30, 23, 59, 59, 0, time.UTC)
	if place := b.find(at, []byte("x")); !b.list[place].Day.Equal(at.Truncate(24 * time.Hour)) {
		t.Errorf("day %v of %v", b.list[place].Day, at)
	}
}

// Catches memory that is taken for every event.
func TestTallyAllocates(t *testing.T) {
	var b tallies
	now, types := time.Now(), [][]byte{[]byte("object_create"), []byte("object_update"), []byte("object_change_owner")}
	for _, name := range types {
		b.find(now, name)
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { b.find(now, types[i%3]); i++ }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// BenchmarkTally is what the ledger costs an event, where a batch has 15 types.
func BenchmarkTally(b *testing.B) {
	var t tallies
	var types [][]byte
	for i := range 15 {
		types = append(types, fmt.Appendf(nil, "object_update_%02d", i))
	}
	now := time.Now()
	for i := 0; b.Loop(); i++ {
		t.find(now, types[i*7%15])
	}
}
