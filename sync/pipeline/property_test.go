package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// Whatever goes wrong, and in whatever order: every message is settled exactly
// once; what is settled as durable is in the tables, and as often in the
// ledger, whose every row adds up; what is settled as a duplicate has another
// that is in the tables. Catches an outcome that does not follow from what
// became durable, in combinations that nobody thought of.
func TestAnyFaults(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anyFaults(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func anyFaults(t *testing.T, draw *rand.Rand) {
	memory, settler := sinktest.NewMemory(t), newRecorder()
	script := make([]sinktest.Fault, draw.IntN(30))
	for i := range script {
		script[i] = anyFault(draw)
	}
	worker := start(Config{
		Sink: sinktest.NewFaulty(t, memory, script...), MaxRows: 1 + draw.IntN(20), InFlight: 1 + draw.IntN(4),
		MaxDelay: time.Duration(1+draw.IntN(200)) * time.Millisecond, DrainTimeout: time.Second,
		DuplicateWindow: draw.IntN(3) * draw.IntN(100),
	})
	msgs := messages(300)
	for _, m := range msgs {
		switch draw.IntN(12) {
		case 0:
			m.Data = []byte(`{"mid":1}`)
		case 1:
			m.Data = msgs[draw.IntN(len(msgs))].Data
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if draw.IntN(2) == 0 { // ended in the middle of it
		time.AfterFunc(time.Duration(draw.IntN(300))*time.Millisecond, cancel)
	}
	err := worker.Run(ctx, source(func(ctx context.Context, submit Submit) error {
		var handed sync.WaitGroup
		for rest := msgs; len(rest) > 0; {
			n := min(len(rest), 1+draw.IntN(40))
			some := rest[:n]
			rest = rest[n:]
			handed.Go(func() { _ = submit(ctx, some, settler) })
			time.Sleep(time.Duration(draw.IntN(20)) * time.Millisecond)
		}
		handed.Wait()
		return nil
	}))
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	settler.once(t, msgs)
	if worker.Outstanding() != 0 {
		t.Errorf("%d messages outstanding", worker.Outstanding())
	}
	standsIn := func(table transform.TableID) map[any]bool {
		ids := map[any]bool{}
		for _, id := range memory.Column(table, "message_id") {
			ids[id] = true
		}
		return ids
	}
	events, letters := standsIn(transform.EventsLog), standsIn(transform.DeadLetters)
	stands := map[string]bool{}
	for _, m := range msgs {
		stands[string(m.Data)] = stands[string(m.Data)] || events[m.ID] || letters[m.ID]
	}
	for _, m := range msgs {
		if m.Outcome == Duplicate && !stands[string(m.Data)] {
			t.Errorf("message %s is a duplicate of nothing", m.ID)
		}
		if (m.Rejection != nil) != (m.Outcome == Dead) {
			t.Errorf("message %s is %s for %v", m.ID, m.Outcome, m.Rejection)
		}
		if m.Outcome == Written && !events[m.ID] || m.Outcome == Dead && !letters[m.ID] {
			t.Errorf("message %s is %s and in no table", m.ID, m.Outcome)
		}
	}
	durable := len(msgs) - settler.count(GivenBack)
	if received, _, _, _ := ledger(t, memory); int(received) < durable {
		t.Errorf("the ledger tells of %d messages, %d were settled as durable", received, durable)
	}
}

// anyFault draws what goes wrong with one write; most often nothing does.
func anyFault(draw *rand.Rand) sinktest.Fault {
	err := errors.New("drawn")
	switch draw.IntN(8) {
	case 0:
		return sinktest.Fail(err)
	case 1:
		return sinktest.FailWritten(err)
	case 2:
		return sinktest.FailHalf(err, transform.TableID(draw.IntN(transform.NumTables)))
	case 3:
		share, draw := 1+draw.IntN(20), rand.New(rand.NewPCG(draw.Uint64(), 2)) // for the one write that asks
		return sinktest.Refuse(func(transform.TableID, []any) string {
			if draw.IntN(share) == 0 {
				return "DRAWN"
			}
			return ""
		})
	case 4:
		release := make(chan struct{})
		time.AfterFunc(time.Duration(draw.IntN(3000))*time.Millisecond, func() { close(release) })
		return sinktest.Hold(release)
	default:
		return sinktest.Fault{}
	}
}
