package sinktest

import (
	"testing"

	"go.uber.org/goleak"

	"leadsync/transform"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMemory runs the conformance test against a sink that keeps the
// contract. It fails when a check asks for more than the contract promises.
func TestMemory(t *testing.T) {
	Run(t, func(t *testing.T) Harness { return harness(NewMemory(t)) })
}

// TestFaultyThrough runs it through the wrapper without faults: the wrapper
// must not lose, double or misname rows by itself.
func TestFaultyThrough(t *testing.T) {
	Run(t, func(t *testing.T) Harness {
		m := NewMemory(t)
		h := harness(m)
		h.Sink = NewFaulty(t, m)
		return h
	})
}

func harness(m *Memory) Harness {
	return Harness{Sink: m, Rows: func(_ testing.TB, id transform.TableID) [][]any { return m.Rows(id) }}
}
