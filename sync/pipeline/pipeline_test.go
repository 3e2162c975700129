package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// Each message must get the outcome that its content calls for, once, and the
// ledger must tell of all of them. Catches a lost or doubled settlement, and
// counts that do not add up.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		msgs := messages(1200)
		for i := range 10 { // the same event in the same batch, and one that comes much later
			msgs[i+20].Data = msgs[i].Data
			msgs[i+40].Data = []byte(`{"mid":`)
		}
		p := start(Config{Sink: memory, MaxRows: 100})
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			return submit(ctx, msgs, settler)
		}))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, msgs)
		for outcome, want := range map[Outcome]int{Written: 1180, Duplicate: 10, Dead: 10, GivenBack: 0} {
			if got := settler.count(outcome); got != want {
				t.Errorf("%d messages %s, want %d", got, outcome, want)
			}
		}
		if n := len(memory.Rows(transform.EventsLog)); n != 1180 {
			t.Errorf("%d events written", n)
		}
		if n := len(memory.Rows(transform.TransitionsLog)); n != 1180 {
			t.Errorf("%d transitions written", n)
		}
		if r, w, du, de := ledger(t, memory); r != 1200 || w != 1180 || du != 10 || de != 10 {
			t.Errorf("ledger: %d received, %d written, %d duplicates, %d dead", r, w, du, de)
		}
		if p.Outstanding() != 0 {
			t.Errorf("%d messages outstanding", p.Outstanding())
		}
		// 1,200 messages of one settler came in one call and must not be
		// acknowledged one by one.
		if settler.calls != 12 {
			t.Errorf("settled in %d calls, want one a batch", settler.calls)
		}
	})
}

// A batch must close at the first of its limits. Catches a limit that is not
// looked at: a batch that waits for ever, or grows without bound.
func TestBatchLimits(t *testing.T) {
	for _, test := range []struct {
		name    string
		cfg     Config
		batches int
		after   time.Duration
	}{
		{"rows", Config{MaxRows: 10, MaxBytes: 1 << 30, MaxDelay: time.Hour}, 4, 0},
		{"bytes", Config{MaxRows: 1000, MaxBytes: 3000, MaxDelay: time.Hour}, 4, 0},
		{"age", Config{MaxRows: 1000, MaxBytes: 1 << 30, MaxDelay: time.Minute}, 1, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory, settler := sinktest.NewMemory(t), newRecorder()
				test.cfg.Sink = memory
				if test.name == "bytes" { // ten messages reach the limit, nine do not
					var rows transform.Rows
					_, err := transform.New(transform.Options{}).Transform(&rows, message(10).Data, transform.Delivery{
						MessageID: "m10", PublishedAt: time.Now(), IngestedAt: time.Now()})
					if err != nil {
						t.Fatal(err)
					}
					test.cfg.MaxBytes = rows.Bytes()*9 + rows.Bytes()/2
				}
				err := start(test.cfg).Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
					begin := time.Now()
					if err := submit(ctx, messages(40), settler); err != nil {
						return err
					}
					synctest.Wait()
					if test.after > 0 && settler.count(Written) != 0 {
						t.Errorf("a batch closed before its age")
					}
					time.Sleep(test.after)
					synctest.Wait()
					if n := settler.count(Written); n != 40 {
						t.Errorf("%d written after %v, want all", n, time.Since(begin))
					}
					return nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				if n := len(memory.Rows(transform.SyncBatches)); n != test.batches {
					t.Errorf("%d batches, want %d", n, test.batches)
				}
			})
		})
	}
}

// Rows that the warehouse refuses must become dead letters of their messages
// and harm no other message.
func TestRefusedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		msgs := messages(500)
		faulty := sinktest.NewFaulty(t, memory)
		faulty.Else = sinktest.Refuse(func(table transform.TableID, row []any) string {
			switch {
			case table == transform.EventsLog && row[9] == "lead-3",
				table == transform.TransitionsLog && row[5] == "lead-7",
				table == transform.TransitionsLog && row[5] == "lead-3":
				return "FIELDS_ERROR"
			}
			return ""
		})
		err := start(Config{Sink: faulty, MaxRows: 250}).Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			return submit(ctx, msgs, settler)
		}))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, msgs)
		if settler.count(Dead) != 2 || settler.count(Written) != 498 {
			t.Errorf("%d dead, %d written", settler.count(Dead), settler.count(Written))
		}
		if n := len(memory.Rows(transform.EventsLog)); n != 499 { // lead-7's event was taken before its transition was refused
			t.Errorf("%d events written", n)
		}
		letters := memory.Rows(transform.DeadLetters)
		if len(letters) != 2 {
			t.Fatalf("%d dead letters", len(letters))
		}
		for _, l := range letters {
			if l[1] != "row_rejected" || l[2] != "write" || !strings.Contains(string(l[5].([]byte)), "lead-") {
				t.Errorf("dead letter %v at %v", l[1], l[2])
			}
		}
		if r, w, _, de := ledger(t, memory); r != 500 || w != 498 || de != 2 {
			t.Errorf("ledger: %d received, %d written, %d dead", r, w, de)
		}
	})
}

// Nothing may be acknowledged unless rows, dead letter and ledger are all
// durable: catches an ack ahead of its write.
func TestUnknownIsGivenBack(t *testing.T) {
	boom := errors.New("boom")
	for name, script := range map[string][]sinktest.Fault{
		"rows fail":                     {sinktest.Fail(boom)},
		"rows fail, but written anyway": {sinktest.FailWritten(boom)},
		"rows fail halfway":             {sinktest.FailHalf(boom, transform.TransitionsLog)},
		"ledger fails":                  {{}, sinktest.Fail(boom)},
		"ledger refused":                {{}, sinktest.Refuse(func(id transform.TableID, _ []any) string { return "x" })},
		"dead letter refused by itself": {sinktest.RefuseWhere(transform.DeadLetters, "reason", "json_invalid")},
		"dead letter of a refused row":  {sinktest.RefuseWhere(transform.EventsLog, "entity_id", "lead-1"), sinktest.RefuseWhere(transform.DeadLetters, "reason", "row_rejected")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory, settler := sinktest.NewMemory(t), newRecorder()
				msgs := messages(3)
				msgs[2].Data = []byte("{")
				err := start(Config{Sink: sinktest.NewFaulty(t, memory, script...)}).Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
					return submit(ctx, msgs, settler)
				}))
				if err != nil {
					t.Fatal(err)
				}
				settler.once(t, msgs)
				want := 3
				if name == "dead letter refused by itself" {
					want = 1 // the two good messages are durable
				}
				if got := settler.count(GivenBack); got != want {
					t.Errorf("%d messages given back, want %d", got, want)
				}
				ledger(t, memory)
			})
		})
	}
}

// While the warehouse is away messages must be held, none given back, and the
// pipeline must take no more than its batches hold; when it comes back all
// must be written. Catches unbounded memory and delivery attempts burnt by an
// outage.
func TestHoldsWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		release := make(chan struct{})
		faulty := sinktest.NewFaulty(t, memory)
		faulty.Else = sinktest.Hold(release)
		p := start(Config{Sink: faulty, MaxRows: 10, InFlight: 3})
		msgs := messages(5000)
		var handed sync.WaitGroup
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			for _, m := range msgs { // as the pull source does: one goroutine a message
				handed.Go(func() {
					if err := submit(ctx, []*Message{m}, settler); err != nil {
						t.Error(err)
					}
				})
			}
			time.Sleep(time.Hour)
			if n := len(settler.settled); n != 0 {
				t.Errorf("%d messages settled while the warehouse was away", n)
			}
			if n := faulty.Begun(); n != 3 {
				t.Errorf("%d batches in flight, want 3", n)
			}
			close(release)
			handed.Wait()
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, msgs)
		if settler.count(Written) != len(msgs) {
			t.Errorf("%d written", settler.count(Written))
		}
	})
}

// At the end of its context the pipeline must write what it has at once, not
// when batches are full or old. Catches a drain that eats the platform's grace.
func TestDrainHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		ctx, cancel := context.WithCancel(t.Context())
		p := start(Config{Sink: memory, MaxRows: 1000, MaxDelay: time.Hour})
		msgs := messages(30)
		err := p.Run(ctx, source(func(ctx context.Context, submit Submit) error {
			if err := submit(ctx, msgs, settler); err != nil {
				return err
			}
			synctest.Wait()
			if settler.count(Written) != 0 {
				t.Error("written before its time")
			}
			begin := time.Now()
			cancel()
			synctest.Wait()
			if settler.count(Written) != 30 || time.Since(begin) != 0 {
				t.Errorf("%d written %v after the end of the context", settler.count(Written), time.Since(begin))
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		settler.once(t, msgs)
	})
}

// With the warehouse away a drain must end at its timeout: what is not durable
// is given back, what is durable is not, and later messages are refused.
// Catches a worker that is killed with its acks unsent.
func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		faulty := sinktest.NewFaulty(t, memory, sinktest.Fault{}, sinktest.Fault{}) // one batch and its ledger go through
		faulty.Else = sinktest.Hold(nil)
		ctx, cancel := context.WithCancel(t.Context())
		p := start(Config{Sink: faulty, MaxRows: 10, InFlight: 2, DrainTimeout: 5 * time.Second})
		msgs := messages(10)
		late := messages(200)[100:]
		begin := time.Now()
		err := p.Run(ctx, source(func(ctx context.Context, submit Submit) error {
			if err := submit(ctx, msgs, settler); err != nil {
				return err
			}
			synctest.Wait()
			var handed sync.WaitGroup
			for i := range late {
				handed.Go(func() {
					_ = submit(context.WithoutCancel(ctx), late[i:i+1], settler)
				})
			}
			synctest.Wait()
			cancel()
			handed.Wait()
			if err := submit(context.WithoutCancel(ctx), []*Message{message(999)}, settler); err == nil {
				t.Error("a message was taken after the drain")
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("drained in %v, want 5s", took)
		}
		settler.once(t, append(msgs, late...))
		if w, g := settler.count(Written), settler.count(GivenBack); w != 10 || g != 101 {
			t.Errorf("%d written, %d given back", w, g)
		}
	})
}

// A source that fails must not take what it handed over with it.
func TestSourceError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		boom := errors.New("boom")
		err := start(Config{Sink: memory}).Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			if err := submit(ctx, messages(7), settler); err != nil {
				return err
			}
			return boom
		}))
		if !errors.Is(err, boom) {
			t.Errorf("error %v", err)
		}
		if settler.count(Written) != 7 {
			t.Errorf("%d written", settler.count(Written))
		}
	})
}

var _ sinks.Sink = (*sinktest.Memory)(nil)
