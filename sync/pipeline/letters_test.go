package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// letterBox takes the payloads of dead letters, in order, once open is closed;
// nil is open.
type letterBox struct {
	t      *testing.T
	memory *sinktest.Memory
	open   chan struct{}

	mu  sync.Mutex
	got []string
}

func (l *letterBox) Publish(ctx context.Context, rows *transform.Rows) error {
	if l.open != nil {
		select {
		case <-l.open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	stands := l.memory.Column(transform.DeadLetters, "dead_letter_id")
	if rows.Total() != rows.Len(transform.DeadLetters) || rows.Total() == 0 {
		l.t.Errorf("%d rows handed on, %d of them letters", rows.Total(), rows.Len(transform.DeadLetters))
	}
	for i := range rows.Len(transform.DeadLetters) {
		values, err := transform.DeadLetters.Table().Values(nil, rows.Row(transform.DeadLetters, i))
		if err != nil {
			return err
		}
		if !slices.Contains(stands, values[0]) {
			l.t.Error("a letter is handed on before it stands in its table")
		}
		l.got = append(l.got, string(values[5].([]byte)))
	}
	return nil
}

// mixed returns n messages of which the third has no JSON and the fifth is
// about lead-4, that a test may have refused.
func mixed(n int) []*Message {
	msgs := messages(n)
	msgs[2].Data = []byte("{third")
	return msgs
}

// Letters of both kinds must be handed on once each, as soon as they stand in
// their table, and nothing else. Catches one that is left out, one of an
// erased lead, and one that its table refused, which comes again.
func TestLettersHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		faulty := sinktest.NewFaulty(t, memory, sinktest.Refuse(func(table transform.TableID, row []any) string {
			if table == transform.EventsLog && row[9] == "lead-4" || table == transform.DeadLetters && string(row[5].([]byte)) == "{refused" {
				return "FIELDS_ERROR"
			}
			return ""
		}))
		set := &transform.Erased{}
		set.Set([]transform.EntityDigest{transform.DigestEntity("erased")})
		box := &letterBox{t: t, memory: memory}
		msgs := mixed(10)
		msgs[6].Data = []byte("{erased")
		msgs[7].Data = []byte("{refused")
		p := start(Config{Sink: faulty, Letters: box, Transform: transform.Options{Erased: set}})
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error { return submit(ctx, msgs, settler) }))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"{third", string(msgs[4].Data)}; !slices.Equal(box.got, want) {
			t.Errorf("handed on %q, want %q", box.got, want)
		}
		settler.once(t, msgs)
		if msgs[7].Outcome != GivenBack || msgs[4].Outcome != Dead || msgs[4].Rejection == nil || msgs[4].Rejection.Reason != transform.RowRejected {
			t.Errorf("message 4 is %s for %v, message 7 %s", msgs[4].Outcome, msgs[4].Rejection, msgs[7].Outcome)
		}
	})
}

// While letters cannot be handed on their messages must be held, and batches
// without any go on. When the drain ends before, the dead are given back alone
// and come again. Catches a letter that is dropped, and good messages that pay
// for it.
func TestLettersHeld(t *testing.T) {
	for _, heals := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			memory, settler := sinktest.NewMemory(t), newRecorder()
			box := &letterBox{t: t, memory: memory, open: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			p := start(Config{Sink: memory, Letters: box, MaxRows: 10, DrainTimeout: time.Second, DuplicateWindow: 100})
			first, others := mixed(10), messages(40)[10:]
			err := p.Run(ctx, source(func(ctx context.Context, submit Submit) error {
				if err := errors.Join(submit(ctx, first, settler), submit(ctx, others, settler)); err != nil {
					return err
				}
				time.Sleep(time.Hour)
				if n := settler.count(Written); n != 30 || settler.count(Dead) != 0 {
					t.Errorf("%d written and %d dead while letters are held, want 30 and 0", n, settler.count(Dead))
				}
				if heals {
					close(box.open)
				}
				cancel()
				return nil
			}))
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			settler.once(t, slices.Concat(first, others))
			want := map[Outcome]int{Written: 39, Dead: 1}
			if !heals {
				want = map[Outcome]int{Written: 39, GivenBack: 1}
			}
			for o, n := range want {
				if got := settler.count(o); got != n {
					t.Errorf("heals %t: %d %s, want %d", heals, got, o, n)
				}
			}
			rejection := &transform.Rejection{Reason: transform.JSONInvalid}
			if p.window.has(letterKey(rejection, first[2].Data)) != heals {
				t.Errorf("heals %t: its letter is remembered: %t", heals, !heals)
			}
		})
	}
}
