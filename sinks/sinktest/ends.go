package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// checkContextDone writes with a context that is done. Nothing is known after
// an error, but a claim must be true: nil means durable, and no good row is
// refused for good.
func checkContextDone(t *testing.T, h Harness) {
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	g := newGenerator("done", 8)
	var all expected
	for _, ctx := range []context.Context{cancelled, expired} {
		h.writeUntilDone(ctx, t, g, 50, &all)
	}
	all.checkForeign(t, reader(h.Rows).contents(t))
	h.writeAgain(t, &all)
}

// checkContextEnds ends the context of writes at several moments, with rows
// for several requests under way.
func checkContextEnds(t *testing.T, h Harness) {
	g := newGenerator("ends", 9)
	var all expected
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		h.writeUntilDone(ctx, t, g, 1500, &all)
		cancel()
	}
	h.writeAgain(t, &all)
}

// writeUntilDone writes n rows of two tables with a context that ends, spoils
// them as soon as Write has returned and checks what Write claimed. It adds
// the rows to all.
func (h Harness) writeUntilDone(ctx context.Context, t *testing.T, g *generator, n int, all *expected) {
	t.Helper()
	var rows transform.Rows
	var these expected
	for range n {
		these.add(&rows, transform.EventsLog, g.lean(transform.EventsLog))
		these.add(&rows, transform.TransitionsLog, g.lean(transform.TransitionsLog))
	}
	all.join(&these)

	result := make(chan error, 1)
	go func() {
		err := h.Sink.Write(ctx, &rows)
		g.spoil(&rows)
		result <- err
	}()
	var err error
	<-ctx.Done()
	select {
	case err = <-result:
	case <-time.After(prompt):
		t.Fatalf("Write had not returned %v after its context ended", prompt)
	}
	if errors.As(err, new(sinks.RowErrors)) {
		t.Errorf("Write refused good rows when its context ended: %v", err)
	}
	if err == nil {
		these.checkPresent(t, reader(h.Rows).contents(t))
	}
}

// writeAgain writes all rows once more: an interrupted Write leaves the sink
// usable, and rows may come again.
func (h Harness) writeAgain(t *testing.T, all *expected) {
	t.Helper()
	var rows transform.Rows
	for i := range all {
		for _, row := range all[i] {
			Append(&rows, transform.TableID(i), row)
		}
	}
	h.write(t, &rows)
	if err := h.Sink.Ready(); err != nil {
		t.Errorf("not ready although writes go through again: %v", err)
	}
	all.check(t, h.Rows, true)
}

// checkReady asks before, after and during writes; Ready never waits.
func checkReady(t *testing.T, h Harness) {
	g := newGenerator("ready", 10)
	var rows transform.Rows
	for range 2000 {
		Append(&rows, transform.EventsLog, g.lean(transform.EventsLog))
	}
	h.write(t, &rows)
	if err := h.Sink.Ready(); err != nil {
		t.Errorf("not ready after a good write: %v", err)
	}
	written := make(chan error, 1)
	go func() { written <- h.try(t, &rows) }()
	for {
		asked := time.Now()
		err := h.Sink.Ready()
		if took := time.Since(asked); took > prompt {
			t.Errorf("Ready took %v", took)
		}
		if err != nil {
			t.Errorf("not ready while writes go through: %v", err)
		}
		select {
		case err := <-written:
			if err != nil {
				t.Errorf("Write: %v", err)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// checkClose closes right after the last write: the rows stay.
func checkClose(t *testing.T, h Harness) {
	g := newGenerator("close", 11)
	var rows transform.Rows
	var want expected
	for id := range transform.TableID(transform.NumTables) {
		for range 100 {
			want.add(&rows, id, g.row(id))
		}
	}
	h.write(t, &rows)
	closed := make(chan error, 1)
	go func() { closed <- h.Sink.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Fatalf("Close: %v", err)
		}
	case <-time.After(patience):
		t.Fatalf("Close had not returned after %v", patience)
	}
	read := h.Rows
	if h.RowsClosed != nil {
		read = h.RowsClosed
	}
	want.check(t, read, h.Copies)
}
