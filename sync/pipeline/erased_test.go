package pipeline

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// Messages about an erased lead must be acknowledged, counted and leave
// nothing behind, whatever is wrong with them; others must not notice. Catches
// a dead letter that keeps what was erased for a replay to bring back, a
// ledger that does not add up, and a set that is looked at only once.
func TestErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		faulty := sinktest.NewFaulty(t, memory)
		faulty.Else = sinktest.RefuseWhere(transform.EventsLog, "notes", "about lead-3")
		set := &transform.Erased{}
		set.Set([]transform.EntityDigest{transform.DigestEntity("lead-3")})

		msgs := messages(8)
		event := func(i int, extra string) {
			m := message(i)
			msgs[i].Data = append(m.Data[:len(m.Data)-2], extra+"}}"...)
		}
		event(4, `,"target_entity_id":"lead-3"`)
		msgs[5].Data = []byte(`{"mid":"1","event_type":"object_create","extra_data":{"entity_id":"lead-3","mobile":`)
		event(6, `,"notes":"about lead-3","lead":"lead-3"`) // refused by the warehouse
		msgs[7].Data = []byte(`{"entity_id":"lead-33"`)
		copies := messages(4)[3:]
		copies[0].ID = "copy"
		all := slices.Concat(msgs, copies)
		later := messages(2)[1:]
		later[0].ID = "later"

		p := start(Config{Sink: faulty, Transform: transform.Options{Erased: set}, MaxRows: 100})
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			if err := submit(ctx, all, settler); err != nil {
				return err
			}
			time.Sleep(time.Second) // the batch is written by then
			set.Set([]transform.EntityDigest{transform.DigestEntity("lead-1")})
			return submit(ctx, later, settler)
		}))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, slices.Concat(all, later))
		for id, want := range map[string]Outcome{
			"m0": Written, "m1": Written, "m2": Written, "m3": Filtered, "m4": Filtered, "m5": Filtered, "m6": Filtered,
			"m7": Dead, "copy": Filtered, "later": Filtered,
		} {
			if got := settler.settled[id]; !slices.Equal(got, []Outcome{want}) {
				t.Errorf("message %s was settled %v, want %v", id, got, want)
			}
		}
		if events, letters := len(memory.Rows(transform.EventsLog)), len(memory.Rows(transform.DeadLetters)); events != 3 || letters != 1 {
			t.Errorf("%d events and %d dead letters, want 3 and 1", events, letters)
		}
		filtered := int64(0)
		for _, n := range memory.Column(transform.SyncBatches, "filtered") {
			filtered += n.(int64)
		}
		if received, written, _, dead := ledger(t, memory); received != 10 || written != 3 || dead != 1 || filtered != 6 {
			t.Errorf("ledger: %d received, %d written, %d dead, %d filtered", received, written, dead, filtered)
		}
	})
}
