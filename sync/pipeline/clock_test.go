package pipeline

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// The wall clock is set ahead and back by hours, between messages and while
// batches are written. Catches a message that is lost or held by it, a ledger
// that does not add up, and a batch that ends before it began.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		memory, settler := sinktest.NewMemory(t), newRecorder()
		jump := func() { offset.Store(int64(rand.IntN(20)-10) * int64(time.Hour)) }
		p := start(Config{
			Sink: jumping{memory, jump}, MaxRows: 10, DuplicateWindow: 1000,
			Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) },
		})
		msgs := messages(300)
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			for i := range msgs {
				if err := submit(ctx, msgs[i:i+1], settler); err != nil {
					return err
				}
				time.Sleep(30 * time.Millisecond)
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, msgs)
		if n := settler.count(Written); n != len(msgs) {
			t.Errorf("%d written, want all %d", n, len(msgs))
		}
		if r, w, _, _ := ledger(t, memory); r != 300 || w != 300 || len(memory.Rows(transform.EventsLog)) != 300 {
			t.Errorf("ledger: %d received, %d written, %d in the table", r, w, len(memory.Rows(transform.EventsLog)))
		}
	})
}

// A jumping sink sets the clock with every write.
type jumping struct {
	*sinktest.Memory
	jump func()
}

func (j jumping) Write(ctx context.Context, rows *transform.Rows) error {
	j.jump()
	return j.Memory.Write(ctx, rows)
}
