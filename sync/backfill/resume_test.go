package backfill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

var errAway = errors.New("the warehouse is away")

// chance returns a fault that strikes one Write in so many, in one of the ways
// in which a Write can go wrong.
func chance(rng *rand.Rand, oneIn int) func() sinktest.Fault {
	return func() sinktest.Fault {
		if rng.IntN(oneIn) > 0 {
			return sinktest.Fault{}
		}
		return []sinktest.Fault{
			sinktest.Fail(errAway), sinktest.FailWritten(errAway),
			sinktest.FailHalf(errAway, transform.EventsLog), sinktest.FailHalf(errAway, transform.BackfillCheckpoints),
		}[rng.IntN(4)]
	}
}

// interrupted runs once: the sink fails now and then, and the run is cancelled
// after some writes.
func interrupted(t *testing.T, rng *rand.Rand, cfg Config, m *sinktest.Memory) (Summary, error) {
	t.Helper()
	var script []sinktest.Fault
	next := chance(rng, 15)
	for range 200 {
		script = append(script, next())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writes atomic.Int64
	if stop := int64(rng.IntN(60)); rng.IntN(3) > 0 {
		for i := range script {
			before := script[i].Before
			script[i].Before = func(c context.Context) error {
				if writes.Add(1) == stop {
					cancel()
				}
				if before != nil {
					return before(c)
				}
				return nil
			}
		}
	}
	cfg.Sink, cfg.Done = sinktest.NewFaulty(t, m, script...), doneIn(m)
	p, err := NewPlan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Run(ctx)
	if err != nil && !errors.Is(err, errAway) && !errors.Is(err, context.Canceled) {
		t.Fatalf("run: %v", err)
	}
	return s, err
}

// Catches a checkpoint that is written before its records are durable, or of a
// piece of which some were given back (events are missing in the end), pieces
// that are done and are read again, or never (checkpoints do not tile), and
// any number of failures and stops after which the work is not finished.
func TestResume(t *testing.T) {
	events := payloads(2, 1200)
	want := wanted(t, events, nil)
	dir := t.TempDir()
	parts := [][][]byte{events[:300], events[300:600], events[600:700], events[700:]}
	paths := []string{
		put(t, dir, "a.ndjson", lines(parts[0])), put(t, dir, "b.zst", zstded(lines(parts[1]))),
		put(t, dir, "c.avro", avroOf(parts[2])), put(t, dir, "d.json", array(parts[3])),
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 5))
			m := sinktest.NewMemory(t)
			cfg := configOf(t, dir)
			runs := 0
			for {
				runs++
				s, err := interrupted(t, rng, cfg, m)
				if err == nil {
					break
				}
				if runs == 200 {
					t.Fatalf("not finished after %d runs; the last: %+v", runs, s)
				}
			}
			same(t, "all runs", want, texts(m.Rows))
			for _, path := range paths {
				tiled(t, m, path, int64(len(holds(t, path))))
			}
		})
	}
}

// Catches content that is known by its name: moved and copied files, another
// compression (none of which changes what is held), and standard input.
func TestContentDecides(t *testing.T) {
	events := payloads(3, 300)
	for name, form := range forms {
		if name == "lines.avro" { // it is no run of blocks: it is read again
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir, data := t.TempDir(), form(events)
			path := put(t, dir, name, data)
			m := sinktest.NewMemory(t)
			cfg := configOf(t, dir)
			cfg.Sink = m
			first, err := runIt(t, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Fatal(err)
			}
			cfg.Done = doneIn(m)
			s, err := runIt(t, cfg)
			if err != nil || s.Records != 0 || s.Skipped != first.Pieces {
				t.Fatalf("moved: %+v, %v; want all %d pieces left out", s, err, first.Pieces)
			}
			events := slices.Concat(events[:len(events)-1], [][]byte{[]byte(`{"mid":1}`)})
			put(t, dir, name+".moved", form(events))
			var dead DeadRecord
			cfg.Dead = func(d DeadRecord) { dead = d }
			if s, err = runIt(t, cfg); err != nil || s.Records == 0 || s.Records > int64(len(events))/2 {
				t.Fatalf("moved, and the last event is another: %+v, %v; want only the last piece read", s, err)
			}
			if dead.From == 0 || dead.From > dead.Offset || dead.Number != s.Records {
				t.Errorf("the last of %d records is number %d from offset %d", s.Records, dead.Number, dead.From)
			}
		})
	}
}
