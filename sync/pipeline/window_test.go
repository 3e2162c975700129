package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// keyOf returns the key of an event made of a number.
func keyOf(i int) (key [16]byte) {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	copy(key[:], sum[:])
	return key
}

// entriesOf returns entries of durable messages with keys [from, to).
func entriesOf(from, to int) []entry {
	var list []entry
	for i := from; i < to; i++ {
		list = append(list, entry{msg: &Message{Outcome: Written}, key: keyOf(i)})
	}
	return list
}

// Any keys added in any portions, with the window aged in between, against two
// lists that do the same. Catches a key that is found and was never added or
// should be forgotten, one that is forgotten too soon, and a window that grows
// beyond its bound.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(2, 60).Draw(t, "bound")
		w, added := newWindow(bound), 0
		var newer, older []int
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if rapid.IntRange(0, 5).Draw(t, "age") == 0 {
				w.age()
				newer, older = nil, newer
				continue
			}
			n := rapid.IntRange(0, 30).Draw(t, "n")
			w.add(entriesOf(added, added+n))
			for range n {
				if len(newer) == (bound+1)/2 {
					newer, older = nil, newer
				}
				newer = append(newer, added)
				added++
			}
		}
		if held := len(newer) + len(older); held > bound+1 {
			t.Fatalf("%d keys held, want at most %d", held, bound)
		}
		for i := range added + 10 {
			if has, want := w.has(keyOf(i)), slices.Contains(newer, i) || slices.Contains(older, i); has != want {
				t.Fatalf("key %d of %d is held: %t, want %t", i, added, has, want)
			}
		}
		if w.has([16]byte{}) {
			t.Fatal("it has a key that was never added")
		}
	})
}

// Messages that are not durable must not be remembered.
func TestWindowTakesDurableAlone(t *testing.T) {
	w := newWindow(100)
	entries := entriesOf(0, int(numOutcomes))
	for i := range entries {
		entries[i].msg.Outcome = Outcomes[i]
	}
	w.add(entries)
	for i, o := range Outcomes {
		if want := o == Written || o == Dead; w.has(keyOf(i)) != want {
			t.Errorf("one that is %s is remembered: %t", o, !want)
		}
	}
}

// Keys made to collide must not slow everything down, nor turn others away.
func TestWindowUnderAttack(t *testing.T) {
	w := newWindow(10000)
	var entries []entry
	for i := range 5000 {
		e := entriesOf(i, i+1)[0]
		binary.LittleEndian.PutUint64(e.key[:], 7|uint64(i)<<40)
		entries = append(entries, e)
	}
	w.add(entries)
	if used := w.generations.Load()[0].used; used > maxProbes {
		t.Errorf("%d of the same slot were taken in", used)
	}
	w.add(entriesOf(0, 1000))
	if !w.has(keyOf(0)) || !w.has(keyOf(999)) {
		t.Error("others are turned away")
	}
}

// A window as it is by default, full. Catches one so crowded that it does not
// keep what it should.
func TestFullWindow(t *testing.T) {
	const bound = 100_000
	w := newWindow(bound)
	w.add(entriesOf(0, bound))
	lost := 0
	for i := range bound {
		if !w.has(keyOf(i)) {
			lost++
		}
	}
	if lost > bound/1000 {
		t.Errorf("%d of %d keys are not there", lost, bound)
	}
}

// Readers beside those who add: for the race detector, and for a key that is
// half there. A goroutine may lie still while others fill the window, so a key
// must be there only if less than a generation of keys came after it.
func TestWindowConcurrently(t *testing.T) {
	const bound = 1000
	w := newWindow(bound)
	var begun atomic.Int64 // keys
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part * 500; i < (part+1)*500; i += 10 {
				before := begun.Add(10) - 10
				w.add(entriesOf(i, i+10))
				// Up to 30 keys of the other goroutines were begun before and added after.
				if !w.has(keyOf(i+9)) && begun.Load()-before <= bound/2-30 {
					t.Errorf("key %d is not there", i+9)
				}
			}
		})
		all.Go(func() {
			for i := range 2000 {
				if w.has(keyOf(-1 - i)) {
					t.Error("it has a key that was never added")
				}
			}
		})
	}
	all.Wait()
}

// Every message comes again, in other batches and on other workers, with
// another id, and so do dead letters of both kinds. Catches copies that are
// written again, a ledger that does not tell of them, and events of a batch
// that failed being taken for written.
func TestDuplicatesAcrossBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, settler := sinktest.NewMemory(t), newRecorder()
		faulty := sinktest.NewFaulty(t, memory, sinktest.Fail(errors.New("boom")))
		faulty.Else = sinktest.RefuseWhere(transform.EventsLog, "entity_id", "lead-3")
		again := func(round string) []*Message {
			msgs := messages(100)
			msgs[7].Data = []byte("{")
			for _, m := range msgs {
				m.ID += round
			}
			return msgs
		}
		first, second, third, late := again(" first"), again(" second"), again(" third"), again(" late")
		p := start(Config{Sink: faulty, MaxRows: 100, DuplicateWindow: 1000})
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			for _, msgs := range [][]*Message{first, second, third} {
				if err := submit(ctx, msgs, settler); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			if n := len(memory.Rows(transform.EventsLog)); n != 98 {
				t.Errorf("%d events in the table, want 98", n)
			}
			time.Sleep(2 * windowAge)
			return submit(ctx, late, settler)
		}))
		if err != nil {
			t.Fatal(err)
		}
		count := func(msgs []*Message, o Outcome) (n int) {
			for _, m := range msgs {
				if m.Outcome == o {
					n++
				}
			}
			return n
		}
		for _, test := range []struct {
			name                              string
			msgs                              []*Message
			givenBack, written, dead, another int
		}{
			{"the first, of which nothing is known", first, 100, 0, 0, 0},
			{"the second", second, 0, 98, 2, 0},
			{"the third", third, 0, 0, 0, 100},
			{"after ten minutes", late, 0, 98, 2, 0},
		} {
			if g, w, d, a := count(test.msgs, GivenBack), count(test.msgs, Written), count(test.msgs, Dead), count(test.msgs, Duplicate); g != test.givenBack || w != test.written || d != test.dead || a != test.another {
				t.Errorf("%s: %d given back, %d written, %d dead, %d duplicates", test.name, g, w, d, a)
			}
		}
		for id, want := range map[transform.TableID]int{transform.EventsLog: 2 * 98, transform.DeadLetters: 4, transform.SyncBatches: 3} {
			if n := len(memory.Rows(id)); n != want {
				t.Errorf("%d rows in %s, want %d", n, id, want)
			}
		}
		settler.once(t, slices.Concat(first, second, third, late))
		ledger(t, memory)
	})
}

// Copies that tell when the event was published come between those that do not,
// as files give them, in one batch and in several. Catches one that is dropped
// although it alone tells the time, and copies that are written for nothing.
func TestDuplicatesKeepPublishTime(t *testing.T) {
	for name, rows := range map[string]int{"one batch": 6, "several": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory, settler := sinktest.NewMemory(t), newRecorder()
				var msgs []*Message
				at := time.Now()
				for _, published := range []time.Time{{}, {}, at, {}, at, at.Add(time.Second)} {
					m := messages(1)[0]
					m.ID, m.PublishedAt = strconv.Itoa(len(msgs)), published
					msgs = append(msgs, m)
				}
				p := start(Config{Sink: memory, MaxRows: rows, DuplicateWindow: 1000})
				err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
					for together := range slices.Chunk(msgs, rows) {
						if err := submit(ctx, together, settler); err != nil {
							return err
						}
						synctest.Wait() // until they are written, if they fill a batch
					}
					return nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range []Outcome{Written, Duplicate, Written, Duplicate, Duplicate, Duplicate} {
					if got := msgs[i].Outcome; got != want {
						t.Errorf("copy %d is %v, want %v", i, got, want)
					}
				}
				if n := len(memory.Rows(transform.EventsLog)); n != 2 {
					t.Errorf("%d rows, want 2", n)
				}
				ledger(t, memory)
			})
		})
	}
}

// BenchmarkWindow is what the window costs an event: looked for among 100,000
// and, an event in 500 at a time, taken in.
func BenchmarkWindow(b *testing.B) {
	w := newWindow(100_000)
	w.add(entriesOf(0, 90_000))
	b.Run("has", func(b *testing.B) {
		var key [16]byte
		for at := uint64(1); b.Loop(); at++ {
			binary.LittleEndian.PutUint64(key[:], at*0x9E3779B97F4A7C15) // scattered
			if w.has(key) {
				b.Fatal("found")
			}
		}
	})
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		batch := entriesOf(100_000, 100_500)
		for i := 0; b.Loop(); i++ {
			if i%len(batch) != 0 {
				continue
			}
			for j := range batch {
				binary.LittleEndian.PutUint64(batch[j].key[:], uint64(i+j)*0x9E3779B97F4A7C15)
			}
			w.add(batch)
		}
	})
}
