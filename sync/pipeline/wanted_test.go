package pipeline

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// A source may leave events out, say where its dead messages are from, and
// bring an event under the identity that it had. Catches rows of what nobody
// wanted, an event that is counted twice or not at all, a dead letter that is
// left out although nobody can tell what it was, and one without its origin.
func TestWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		msgs := messages(4)
		msgs[2].Data = []byte("{")
		msgs[2].Attributes = map[string]string{"a": "b"}
		msgs[3].EventID = [16]byte{15: 7}
		p := start(Config{
			Sink: memory, MaxRows: 100,
			Wants:  func(e *transform.Event) bool { return e.ID != eventID(msgs[1]) && string(e.Tenant) == "1" },
			Origin: func(m *Message) map[string]string { return map[string]string{"file": m.ID, "a": m.Attributes["a"]} },
		})
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error { return submit(ctx, msgs, settler) }))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, msgs)
		for i, want := range []Outcome{Written, Filtered, Dead, Written} {
			if got := msgs[i].Outcome; got != want {
				t.Errorf("message %d was settled %v, want %v", i, got, want)
			}
		}
		if n := len(memory.Rows(transform.TransitionsLog)); n != 2 {
			t.Errorf("%d transitions, want 2", n)
		}
		if ids := memory.Column(transform.EventsLog, "event_id"); !slices.Contains(ids, any("00000000000000000000000000000007")) {
			t.Errorf("events %v", ids)
		}
		if got := memory.Column(transform.DeadLetters, "attributes"); len(got) != 1 || got[0] != `{"a":"b","file":"m2"}` {
			t.Errorf("attributes %v", got)
		}
		if received, written, _, dead := ledger(t, memory); received != 4 || written != 2 || dead != 1 {
			t.Errorf("ledger: %d received, %d written, %d dead", received, written, dead)
		}
	})
}

// eventID returns the identity of the message's event.
func eventID(m *Message) [16]byte {
	var rows transform.Rows
	event, _ := transform.New(transform.Options{}).Transform(&rows, m.Data, transform.Delivery{IngestedAt: m.PublishedAt})
	return event.ID
}
