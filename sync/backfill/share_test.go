package backfill

import (
	"fmt"
	"testing"

	"leadsync/sinks/sinktest"
)

// Catches units that no task reads, or two, shares that differ from task to
// task, and shares that are far from even.
func TestShares(t *testing.T) {
	events := payloads(9, 600)
	want := wanted(t, events, nil)
	dir := t.TempDir()
	put(t, dir, "a.ndjson", lines(events[:400]))
	put(t, dir, "b.gz", gzipped(lines(events[400:450])))
	put(t, dir, "c.ndjson", nil)
	for i := range 30 {
		put(t, dir, fmt.Sprintf("d%02d.json", i), pretty(events[450+5*i:455+5*i]))
	}
	put(t, dir, "e.json", array(events[600:]))
	for n := 1; n <= 20; n++ {
		m := sinktest.NewMemory(t)
		var all Share
		records := int64(0)
		for i := range n {
			cfg := configOf(t, dir)
			cfg.Sink, cfg.TaskIndex, cfg.TaskCount = m, i, n
			cfg.Pipeline.WorkerID = fmt.Sprint("w", i)
			p, err := NewPlan(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			records += s.Records
			mine := p.Shares[i]
			all.Units += mine.Units
			all.Bytes += mine.Bytes
			if s.Files != mine.Files {
				t.Errorf("task %d of %d read %d files, its share says %d", i, n, s.Files, mine.Files)
			}
			if i == n-1 && (all.Units != units(p.Shares).Units || all.Bytes != units(p.Shares).Bytes) {
				t.Errorf("%d tasks: %+v, want %+v", n, all, units(p.Shares))
			}
			if even := all.Bytes / int64(i+1); mine.Bytes > even+2*cfg.PieceBytes+40_000 {
				t.Errorf("task %d of %d reads %d bytes, about %d would be even", i, n, mine.Bytes, even)
			}
		}
		if records != int64(len(events)) {
			t.Errorf("%d tasks read %d records, want %d", n, records, len(events))
		}
		same(t, fmt.Sprint(n, " tasks"), want, texts(m.Rows))
	}
}

func units(shares []Share) (all Share) {
	for _, s := range shares {
		all.Units += s.Units
		all.Bytes += s.Bytes
	}
	return all
}

// Catches an estimate that is far off, whatever the form.
func TestEstimate(t *testing.T) {
	events := payloads(10, 500)
	for name, form := range forms {
		dir := t.TempDir()
		put(t, dir, name, form(events))
		put(t, dir, "empty", nil)
		p, err := NewPlan(t.Context(), configOf(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		n, err := p.Estimate(t.Context())
		if want := int64(len(events)); err != nil || n < want*9/10 || n > want*11/10 {
			t.Errorf("%s: %d records, %v; want about %d", name, n, err, want)
		}
	}
}
