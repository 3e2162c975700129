package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"leadsync/sinks/duckdb"
	"leadsync/sync/simulate"
)

// demoCache sends what demos leave behind to a directory of the test's, and
// returns the path of their database.
func demoCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir) // os.UserCacheDir on Unix, and on macOS
	t.Setenv("HOME", dir)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "leadsync", demoFile)
}

// Catches a demo that fails, a report that depends on the clock or on the
// order of arrival, a ledger that does not agree, questions in its report that
// the warehouse does not understand, and goroutines left behind.
func TestDemo(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	path := demoCache(t)
	c := &demoCommand{Events: 300, Seed: 11}
	if err := c.Validate(); err != nil { // fills in today
		t.Fatal(err)
	}
	var reports [2]strings.Builder
	for i := range reports {
		started := time.Now()
		var progress strings.Builder
		p := &process{stdout: &reports[i], stderr: &progress}
		if status := realMain(t.Context(), []string{"demo", "--events", "300", "--seed", "11", "--day", c.Day.Format(time.DateOnly)}, p); status != 0 {
			t.Fatalf("exit status %d\n%s\n%s", status, &progress, &reports[i])
		}
		if took := time.Since(started); took > 15*time.Second {
			t.Errorf("300 events took %v", took)
		}
	}
	report := reports[0].String()
	if diff := cmp.Diff(report, reports[1].String()); diff != "" {
		t.Errorf("the second report differs:\n%s", diff)
	}
	for _, want := range []string{
		"300 events", "初始线索", "市场合格线索", "The story of one lead, ", "received 3", "transitions: lead_pool ", path,
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in the report:\n%s", want, report)
		}
	}
	if n := strings.Count(report, "  agrees  "); n != 4 {
		t.Errorf("%d of 4 lines of the ledger agree:\n%s", n, report)
	}
	askDemo(t, c, path)
	// The library leaves one goroutine a stream behind: it waits for a ticker
	// that was stopped.
	goleak.VerifyNone(t, leaks, goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}

// askDemo asks the demo's questions, and compares its ledger with what was
// not sent.
func askDemo(t *testing.T, c *demoCommand, path string) {
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := &demoReport{warehouse: db, w: io.Discard}
	for _, sql := range demoQuestions {
		if rows, err := r.rows(t.Context(), sql); err != nil || len(rows) == 0 {
			t.Errorf("%d rows, error %v, of %s", len(rows), err, sql)
		}
	}

	tenant := c.tenant()
	for range tenant.Deliveries() {
	}
	for what, lie := range map[string]func(*simulate.Truth) (redelivered int64){
		"nothing":             func(*simulate.Truth) int64 { return 0 },
		"a message lost":      func(t *simulate.Truth) int64 { t.Messages++; return 0 },
		"an event lost":       func(t *simulate.Truth) int64 { t.Events++; return 0 },
		"a copy lost":         func(t *simulate.Truth) int64 { t.Copies++; return 0 },
		"a dead letter lost":  func(t *simulate.Truth) int64 { t.Poison["json_invalid"]++; return 0 },
		"a transition lost":   func(t *simulate.Truth) int64 { t.Transitions["owner"]++; return 0 },
		"a redelivery hidden": func(*simulate.Truth) int64 { return 1 },
	} {
		truth := tenant.Truth()
		redelivered := lie(&truth)
		var out strings.Builder
		r.w = &out
		err := r.ledger(t.Context(), truth, redelivered)
		if agrees := what == "nothing"; agrees != (err == nil) || !agrees && !errors.Is(err, errLedger) || agrees == strings.Contains(out.String(), "DISAGREES") {
			t.Errorf("%s: error %v\n%s", what, err, &out)
		}
	}
}

// Catches a demo that writes over a database that was kept, and one that
// cannot be interrupted.
func TestDemoKeepsAndEnds(t *testing.T) {
	demoCache(t)
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	c := &demoCommand{Events: 20_000, Seed: 1, Keep: true}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	p := &process{stdout: &out, stderr: writerFunc(func(b []byte) { // once it is under way
		if bytes.HasPrefix(b, []byte("published ")) {
			cancel()
		}
	})}
	if err := c.Run(ctx, p); !errors.Is(err, exitStatus(exitInterrupted)) || out.Len() > 0 {
		t.Errorf("interrupted: %v, report %q", err, &out)
	}
	if err := os.WriteFile(demoFile, []byte("precious"), 0o600); err != nil { // in place of what is kept
		t.Fatal(err)
	}
	if err := c.show(t.Context(), io.Discard, io.Discard, false); err == nil || !strings.Contains(err.Error(), "not written over") {
		t.Errorf("kept file: %v", err)
	}
	if b, err := os.ReadFile(demoFile); string(b) != "precious" {
		t.Errorf("kept file is now %q, %v", b, err)
	}
	for _, wrong := range []demoCommand{
		{Events: 0}, {Events: 100_001}, {Events: 1, Day: time.Now().AddDate(0, 0, 1)}, {Events: 1, Day: time.Now().AddDate(-10, 0, 0)},
	} {
		if err := wrong.Validate(); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// Catches a demo that waits for ever, or gives up too early.
func TestDemoWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &demoCounts{}
		c.published.Store(5)
		go func() {
			for range 4 {
				time.Sleep(demoStall - time.Second)
				c.Settled(1, 1)
			}
		}()
		var out strings.Builder
		start := time.Now()
		err := c.watch(t.Context(), &out, false)
		if err == nil || !strings.Contains(err.Error(), "published 5, received 0, durable 4") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took < 5*demoStall-5*time.Second || took > 5*demoStall {
			t.Errorf("gave up after %v", took)
		}
		c.Settled(1, 1)
		c.complete.Store(true)
		out.Reset()
		if err := c.watch(t.Context(), &out, true); err != nil || !strings.HasPrefix(out.String(), "\r") || !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("error %v, output %q", err, &out)
		}
	})
}

// Catches slips at the edges of numbers, spans and quoting.
func TestDemoTexts(t *testing.T) {
	for got, want := range map[string]string{
		grouped(0): "0", grouped(999): "999", grouped(1000): "1,000", grouped(-1234567): "-1,234,567", grouped(-100): "-100",
		lasting(59 * time.Second): "59s", lasting(time.Hour - time.Second): "59m 59s",
		lasting(26*time.Hour + 30*time.Minute): "1d 02h", lasting(24*time.Hour - time.Second): "23h 59m",
		shellWord("/tmp/a-b_c.duckdb"): "/tmp/a-b_c.duckdb", shellWord("/a b/it's"): `'/a b/it'\''s'`,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
