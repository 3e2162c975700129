package bigquery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// beginLoad begins a load that is closed at the end of the test.
func beginLoad(t testing.TB, c Config) sinks.Load {
	t.Helper()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	loader := s.PendingStreams()
	load, err := loader.Begin(t.Context(), "part-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(load.Close(), loader.Close(), s.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return load
}

// eventsFrom returns events e<from> to e<to-1>.
func eventsFrom(from, to int) *transform.Rows {
	rows := new(transform.Rows)
	for i := from; i < to; i++ {
		sinktest.Append(rows, transform.EventsLog, eventRow(fmt.Sprintf("e%d", i), "n"))
	}
	return rows
}

// TestPendingInvisible writes, looks, and commits. It would catch rows that
// are seen before the commit, lost or doubled by it, and a load that takes
// rows after it.
func TestPendingInvisible(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 5 {
				from := (w*5 + i) * 20
				if err := load.Write(t.Context(), eventsFrom(from, from+20)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := server.NumRows("events_log"); n != 0 {
		t.Errorf("%d rows are seen before the commit", n)
	}
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 800, false)
	if s := server.Stats("events_log"); s.Streams != 1 || s.Commits != 1 || s.Connections != 1 {
		t.Errorf("stats %+v, want one stream, commit and connection", s)
	}
	if err := load.Write(t.Context(), events(1)); err == nil {
		t.Error("a load took rows after its commit")
	}
	if err := load.Commit(t.Context()); err == nil {
		t.Error("a load was committed twice")
	}
}

// TestPendingAbandoned closes a load without a commit. It would catch rows
// that become visible all the same.
func TestPendingAbandoned(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	if err := load.Write(t.Context(), events(50)); err != nil {
		t.Fatal(err)
	}
	if err := load.Close(); err != nil {
		t.Fatal(err)
	}
	if err := load.Commit(t.Context()); err == nil {
		t.Error("a load was committed after it was closed")
	}
	if n := server.NumRows("events_log"); n != 0 {
		t.Errorf("%d rows of an abandoned load are seen", n)
	}
}

// TestPendingNoRows would catch a load that bothers the service for nothing.
func TestPendingNoRows(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
		t.Errorf("%s of %s for no rows", call.Method, call.Table)
		return nil
	})
	if err := errors.Join(load.Write(t.Context(), new(transform.Rows)), load.Ready(), load.Commit(t.Context())); err != nil {
		t.Error(err)
	}
	server.OnCall(nil)
	for _, id := range []string{"", "a b", "a/b", strings.Repeat("x", 65)} {
		if load, err := (pendingLoader{}).Begin(t.Context(), id); err == nil {
			t.Errorf("load %q was begun: %v", id, load)
		}
	}
}

// TestPendingOrder commits rows of many tables. It would catch a ledger that
// tells of rows before they are there.
func TestPendingOrder(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	rows := events(3)
	now := time.Now()
	rows.AppendBatch(transform.Batch{ID: "b", WorkerID: "w", Source: "backfill", StartedAt: now, CommittedAt: now})
	rows.AppendCheckpoint(transform.Checkpoint{Location: "-", Digest: "d", Via: "stream", CommittedAt: now, WorkerID: "w"})
	if err := load.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	var got []string
	server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
		if call.Method == "BatchCommitWriteStreams" {
			got = append(got, call.Table)
		}
		return nil
	})
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"events_log", "sync_batches", "backfill_checkpoints"}; !slices.Equal(got, want) {
		t.Errorf("commits %q, want %q", got, want)
	}
}

// TestPendingCalls lets every call fail in every way once. It would catch a
// call that is not repeated, is not bounded, or whose lost answer loses or
// doubles rows.
func TestPendingCalls(t *testing.T) {
	for _, method := range []string{"CreateWriteStream", "GetWriteStream", "FinalizeWriteStream", "BatchCommitWriteStreams"} {
		for name, fault := range map[string]*bqtest.Fault{
			"unavailable": {Code: codes.Unavailable},
			"lost answer": {Code: codes.Unavailable, Written: true},
			"internal":    {Code: codes.Internal, Written: true},
			"throttled":   {Code: codes.ResourceExhausted},
			"denied":      {Code: codes.PermissionDenied},
			"stuck":       {Stuck: true, Written: true},
		} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				server, c := start(t)
				c.AppendTimeout = 500 * time.Millisecond
				load := beginLoad(t, c)
				failed := false
				server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
					if failed || call.Method != method {
						return nil
					}
					failed = true
					return fault
				})
				if err := load.Write(t.Context(), events(10)); err != nil {
					t.Fatal(err)
				}
				if err := load.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !failed {
					t.Fatal("the call was not made")
				}
				wantIDs(t, server, 10, false)
				if err := load.Ready(); err != nil {
					t.Errorf("not ready after the commit: %v", err)
				}
			})
		}
	}
}

// TestPendingPipelined answers every append late. It would catch an append that
// waits for the answer to the one before.
func TestPendingPipelined(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	if err := load.Write(t.Context(), eventsFrom(100, 101)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var came []time.Time
	const delay = 300 * time.Millisecond
	server.Fault(func(*bqtest.Append) *bqtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, time.Now())
		return &bqtest.Fault{Delay: delay}
	})
	var wg sync.WaitGroup
	for w := range 6 { // some together, some one after the other
		wg.Go(func() {
			time.Sleep(time.Duration(w/2) * 20 * time.Millisecond)
			if err := load.Write(t.Context(), eventsFrom(w, w+1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took := came[len(came)-1].Sub(came[0]); len(came) != 6 || took >= delay {
		t.Errorf("%d appends came within %v, want 6 before the first is answered", len(came), took)
	}
}
