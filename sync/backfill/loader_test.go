package backfill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"leadsync/sinks"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// A warehouse is a loader over a sink: what is staged counts when its load is
// committed, and once for each identity. It reports breaks of the contract.
type warehouse struct {
	t    testing.TB
	sink *sinktest.Memory
	// fault strikes a commit: before it, or after.
	fault func(id string) (before, after error)

	mu     sync.Mutex
	open   int
	most   int               // loads open at once
	loaded map[string]string // identity to the rows that were loaded under it
}

type load struct {
	*sinktest.Memory
	w         *warehouse
	id        string
	committed bool
}

func (w *warehouse) Begin(_ context.Context, id string) (sinks.Load, error) {
	if len(id) == 0 || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		w.t.Errorf("identity %q", id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	w.most = max(w.most, w.open)
	return &load{Memory: sinktest.NewMemory(w.t), w: w, id: id}, nil
}

func (w *warehouse) Close() error { return nil }

func (l *load) Write(ctx context.Context, rows *transform.Rows) error {
	if l.committed {
		l.w.t.Error("write after commit")
	}
	return l.Memory.Write(ctx, rows)
}

func (l *load) Commit(ctx context.Context) error {
	if l.committed {
		l.w.t.Error("committed twice")
	}
	l.committed = true
	var before, after error
	if l.w.fault != nil {
		before, after = l.w.fault(l.id)
	}
	if before != nil {
		return before
	}
	l.w.mu.Lock()
	rows := strings.Join(texts(l.Rows), "\n")
	known, again := l.w.loaded[l.id]
	l.w.mu.Unlock()
	if again && known != rows {
		l.w.t.Errorf("load %s came again with other rows", l.id)
	}
	if !again {
		var all transform.Rows
		for id := range transform.TableID(transform.NumTables) {
			for _, row := range l.Rows(id) {
				sinktest.Append(&all, id, row)
			}
		}
		if err := l.w.sink.Write(ctx, &all); err != nil {
			return err
		}
		l.w.mu.Lock()
		l.w.loaded[l.id] = rows
		l.w.mu.Unlock()
	}
	return after
}

func (l *load) Close() error {
	l.w.mu.Lock()
	l.w.open--
	l.w.mu.Unlock()
	return l.Memory.Close()
}

func loading(t *testing.T, m *sinktest.Memory, paths ...string) (Config, *warehouse) {
	w := &warehouse{t: t, sink: m, loaded: map[string]string{}}
	cfg := configOf(t, paths...)
	cfg.Sink, cfg.Loader, cfg.Via, cfg.PartBytes = m, w, "load", 70_000
	return cfg, w
}

// Catches parts that get lost between stages, checkpoints before their commit,
// a load whose identity does not tell its rows (it came again with others, or
// the same rows under another), loads that are never closed, and more than two
// at once.
func TestLoader(t *testing.T) {
	events := payloads(11, 700)
	want := wanted(t, events, nil)
	dir := t.TempDir()
	paths := []string{
		put(t, dir, "a.ndjson", lines(events[:400])), put(t, dir, "b.zst", zstded(lines(events[400:500]))), put(t, dir, "c.json", array(events[500:])),
	}
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 6))
		m := sinktest.NewMemory(t)
		cfg, w := loading(t, m, dir)
		w.fault = func(string) (before, after error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			switch rng.IntN(8) {
			case 0:
				return errAway, nil
			case 1:
				return nil, errAway
			}
			return nil, nil
		}
		for runs := 1; ; runs++ {
			s, err := interrupted(t, rng, cfg, m)
			if w.open != 0 {
				t.Fatalf("%d loads are open", w.open)
			}
			if err == nil {
				break
			}
			if runs == 100 {
				t.Fatalf("not finished after %d runs; the last: %+v, %v", runs, s, err)
			}
		}
		same(t, fmt.Sprint("seed ", seed), want, texts(m.Rows))
		for _, path := range paths {
			tiled(t, m, path, int64(len(holds(t, path))))
		}
		if w.most > 2 {
			t.Errorf("%d loads were open at once, want at most 2", w.most)
		}
		p, err := NewPlan(t.Context(), cfg)
		if parts := p.Shares[0].Parts; err != nil || len(w.loaded) != parts || parts < 3 {
			t.Errorf("%d loads, want one for each of %d parts; %v", len(w.loaded), parts, err)
		}
	}
}

// Catches a summary that tells of what was not committed, and a part that is
// taken for loaded though its file has changed, or it is wanted again.
func TestLoaderChanged(t *testing.T) {
	events := payloads(12, 100)
	dir := t.TempDir()
	put(t, dir, "a.ndjson", lines(events[:50]))
	m := sinktest.NewMemory(t)
	cfg, w := loading(t, m, dir)
	w.fault = func(string) (before, after error) { return nil, errAway }
	if s, err := runIt(t, cfg); !errors.Is(err, errAway) || s.Records != 0 || s.Parts != 0 {
		t.Fatalf("%+v, %v; want nothing committed", s, err)
	}
	changed := slices.Clone(events[:50])
	changed[7] = bytes.Replace(changed[7], []byte("create_time"), []byte("create-time"), 1) // as large as before
	put(t, dir, "a.ndjson", lines(changed))
	w.fault = nil
	s, err := runIt(t, cfg)
	if err != nil || s.Parts != 1 || len(w.loaded) != 2 {
		t.Fatalf("%+v, %v; %d loads, want 2", s, err, len(w.loaded))
	}
	if s.Records != 50 {
		t.Errorf("%d records, want 50", s.Records)
	}
	cfg.Again = true
	if s, err = runIt(t, cfg); err != nil || s.Parts != 1 || len(w.loaded) != 3 {
		t.Fatalf("again: %+v, %v; %d loads, want 3", s, err, len(w.loaded))
	}
}
