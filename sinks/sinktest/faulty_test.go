package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/transform"
)

// recorder is a test that only takes down what is reported to it.
type recorder struct {
	testing.TB
	reports []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

func (r *recorder) expect(t *testing.T, parts ...string) {
	t.Helper()
	matches := func(report, part string) bool { return strings.Contains(report, part) }
	if !slices.EqualFunc(r.reports, parts, matches) {
		t.Errorf("reported %q, want %q", r.reports, parts)
	}
}

// someRows returns n rows of two tables.
func someRows(n int) *transform.Rows {
	rows := new(transform.Rows)
	g := newGenerator("some", 1)
	for range n {
		Append(rows, transform.EventsLog, g.row(transform.EventsLog))
		Append(rows, transform.SyncBatches, g.row(transform.SyncBatches))
	}
	return rows
}

// TestAppend catches an encoder whose rows decode to something else.
func TestAppend(t *testing.T) {
	g := newGenerator("append", 1)
	for id := range transform.TableID(transform.NumTables) {
		for range 50 {
			var rows transform.Rows
			want := g.row(id)
			Append(&rows, id, want)
			got, err := values(&rows, id, 0)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s (-want +got):\n%s", id, d)
			}
		}
	}
}

// TestMemoryReports catches a Memory that lets a caller break its half of the
// contract unseen.
func TestMemoryReports(t *testing.T) {
	t.Run("write after close, close twice", func(t *testing.T) {
		r := new(recorder)
		m := NewMemory(r)
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Fatal(err)
		}
		if err := m.Write(t.Context(), someRows(1)); err != nil {
			t.Fatal(err)
		}
		r.expect(t, "Close called twice", "Write after Close")
	})
	t.Run("close during write", func(t *testing.T) {
		r := new(recorder)
		m := NewMemory(r)
		m.begin()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		r.expect(t, "while 1 writes are under way")
	})
	t.Run("rows changed during write", func(t *testing.T) {
		r := new(recorder)
		rows := someRows(3)
		change := Fault{Before: func(context.Context) error {
			rows.Row(transform.SyncBatches, 1)[5]++
			return nil
		}}
		if err := NewFaulty(r, NewMemory(r), change).Write(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		r.expect(t, "row 1 of sync_batches")
	})
}

// TestFaulty plays each fault once: it catches one that returns another result
// or leaves other rows durable than it says.
func TestFaulty(t *testing.T) {
	down := errors.New("warehouse is down")
	rows := someRows(5)
	first, err := values(rows, transform.EventsLog, 2)
	if err != nil {
		t.Fatal(err)
	}
	refused := sinks.RowErrors{{Table: transform.EventsLog, Row: 2, Code: "REFUSED"}}
	for name, test := range map[string]struct {
		fault           Fault
		events, batches int
		err             error
	}{
		"none":         {Fault{}, 5, 5, nil},
		"fail":         {Fail(down), 0, 0, down},
		"fail written": {FailWritten(down), 5, 5, down},
		"fail half":    {FailHalf(down, transform.SyncBatches), 0, 5, down},
		"refuse":       {RefuseWhere(transform.EventsLog, "event_id", first[0]), 4, 5, refused},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(t)
			f := NewFaulty(t, m, test.fault)
			err := f.Write(t.Context(), rows)
			if d := cmp.Diff(fmt.Sprint(test.err), fmt.Sprint(err)); d != "" {
				t.Errorf("result (-want +got):\n%s", d)
			}
			if e, b := len(m.Rows(transform.EventsLog)), len(m.Column(transform.SyncBatches, "batch_id")); e != test.events || b != test.batches {
				t.Errorf("%d events and %d batches durable, want %d and %d", e, b, test.events, test.batches)
			}
			// The script is over: the same rows go through.
			if err := f.Write(t.Context(), rows); err != nil {
				t.Errorf("after the script: %v", err)
			}
			if calls := f.Calls(); f.Begun() != 2 || len(calls) != 2 || calls[0].Rows != rows.Mark() || calls[0].Err == nil != (test.err == nil) {
				t.Errorf("calls %v", calls)
			}
		})
	}
}

// TestFaultyKeepsPlaces lets script and sink both refuse rows: it catches
// places that are counted without the rows the script took out.
func TestFaultyKeepsPlaces(t *testing.T) {
	g := newGenerator("places", 1)
	rows := new(transform.Rows)
	taken := g.row(transform.EventsLog)
	Append(rows, transform.EventsLog, taken)
	Append(rows, transform.EventsLog, g.row(transform.EventsLog))
	Append(rows, transform.EventsLog, g.bad(transform.EventsLog))
	err := NewFaulty(t, NewMemory(t), RefuseWhere(transform.EventsLog, "event_id", taken[0])).Write(t.Context(), rows)
	if err := matchRefused(err, []sinks.RowError{{Row: 0}, {Row: 2}}); err != nil {
		t.Error(err)
	}
}

// TestFaultyHold catches a held Write that goes on by itself, does not go on
// when released, or outlives its context.
func TestFaultyHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(t)
		release := make(chan struct{})
		f := NewFaulty(t, m, Hold(release), Hold(nil), HoldWritten(nil))
		done := make(chan error)
		go func() { done <- f.Write(t.Context(), someRows(1)) }()
		time.Sleep(time.Hour)
		if n := len(m.Rows(transform.EventsLog)); n != 0 {
			t.Fatalf("%d rows written before release", n)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, written := range []int{1, 2} { // held before, then after writing
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := f.Write(ctx, someRows(1)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("held until the context ended: got %v", err)
			}
			cancel()
			if n := len(m.Rows(transform.EventsLog)); n != written {
				t.Errorf("%d rows durable, want %d", n, written)
			}
		}
	})
}

// TestFaultyReady catches a readiness that does not follow SetReady.
func TestFaultyReady(t *testing.T) {
	f := NewFaulty(t, NewMemory(t))
	held := errors.New("quota")
	f.SetReady(held)
	if err := f.Ready(); !errors.Is(err, held) {
		t.Errorf("got %v", err)
	}
	f.SetReady(nil)
	if err := f.Ready(); err != nil {
		t.Errorf("got %v", err)
	}
}
