package sinktest

import (
	"context"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A Harness is a sink with empty tables, and a way to see what is in them.
type Harness struct {
	// Sink is the sink under test. Run closes it.
	Sink sinks.Sink

	// Rows returns every row of the table in any order, in the form of
	// [transform.Table.Values]. It is called between writes, never during
	// one. Text of a JSON column may come in another layout.
	Rows func(t testing.TB, table transform.TableID) [][]any

	// RowsClosed does the same once the sink is closed. nil: Rows does.
	RowsClosed func(t testing.TB, table transform.TableID) [][]any

	// Copies says that a row may be there more than once although its Write
	// succeeded: the warehouse behind this sink has been set to fail after
	// writing. Otherwise a copy is an error, except after a Write that
	// failed.
	Copies bool
}

// patience is how long a Write or Close may take before a check gives up: far
// more than any needs, so that a slow machine fails no test.
const patience = 2 * time.Minute

// prompt is how soon Write must return once its context has ended.
const prompt = 15 * time.Second

// Run holds the sinks that open returns to the contract of [sinks.Sink], each
// rule in a subtest with a sink of its own. Times in rows lie within the last
// 9 years, other values are whatever their columns may hold.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, check := range []struct {
		rule string
		run  func(t *testing.T, h Harness)
	}{
		{"no rows", checkNoRows},
		{"every column", checkEveryColumn},
		{"required columns only", checkLean},
		{"big rows", checkBigRows},
		{"many rows", checkManyRows},
		{"concurrent writes", checkConcurrent},
		{"rows free after write", checkRowsFree},
		{"refused rows are named", checkRefused},
		{"every row refused", checkAllRefused},
		{"refused rows beside concurrent writes", checkRefusedConcurrent},
		{"context done before write", checkContextDone},
		{"context ends during write", checkContextEnds},
		{"ready", checkReady},
		{"close", checkClose},
	} {
		t.Run(check.rule, func(t *testing.T) { check.run(t, start(t, open)) })
	}
}

// start opens a sink and sees to it that it is closed once, by the check or
// at its end.
func start(t *testing.T, open func(t *testing.T) Harness) Harness {
	h := open(t)
	h.Sink = &closeOnce{Sink: h.Sink}
	t.Cleanup(func() {
		if err := h.Sink.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// closeOnce passes on the first Close only.
type closeOnce struct {
	sinks.Sink
	done bool
}

func (c *closeOnce) Close() error {
	if c.done {
		return nil
	}
	c.done = true
	return c.Sink.Close()
}

// write writes the rows, which must succeed and leave them as they were.
func (h Harness) write(t *testing.T, rows *transform.Rows) {
	t.Helper()
	before := snapshot(rows)
	if err := h.try(t, rows); err != nil {
		t.Fatalf("Write of %d good rows (%d bytes): %v", rows.Total(), rows.Bytes(), err)
	}
	if at := before.differs(rows); at != "" {
		t.Fatalf("Write changed %s", at)
	}
}

// try writes the rows with a deadline that no sink needs.
func (h Harness) try(t *testing.T, rows *transform.Rows) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return h.Sink.Write(ctx, rows)
}
