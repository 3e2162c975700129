package bigquery

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

// loadOf writes rows e0 to e(n-1) in a load and commits it.
func loadOf(t testing.TB, loader sinks.Loader, id string, n int) error {
	t.Helper()
	load := begin(t, loader, id)
	mustWrite(t, load, eventsAt(0, n, time.Now()))
	return load.Commit(t.Context())
}

// TestLoadJobsFaults fails the job of events_log once in every way that
// passes. It catches rows that are lost or doubled, a wrong number of attempts,
// and what is not told to the observer.
func TestLoadJobsFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault    *bqtest.LoadFault
		attempts int // jobs of events_log, the last of which succeeds
		retried  sinks.Class
	}{
		"none":                     {&bqtest.LoadFault{}, 1, ""},
		"hidden":                   {&bqtest.LoadFault{Hidden: 3}, 1, sinks.Transient},
		"slow":                     {&bqtest.LoadFault{Pending: 20 * time.Millisecond, Running: 20 * time.Millisecond}, 1, ""},
		"unavailable":              {&bqtest.LoadFault{Code: 503}, 1, ""}, // the library tries again
		"taken, but unavailable":   {&bqtest.LoadFault{Code: 503, Taken: true}, 1, ""},
		"no answer":                {&bqtest.LoadFault{Hang: true}, 1, sinks.Transient},
		"taken, but no answer":     {&bqtest.LoadFault{Hang: true, Taken: true}, 1, sinks.Transient},
		"taken, unheard of, slow":  {&bqtest.LoadFault{Code: 503, Taken: true, Hidden: 2, Running: 20 * time.Millisecond}, 1, sinks.Transient},
		"quota of inserts":         {&bqtest.LoadFault{Code: 403, Reason: "quotaExceeded"}, 1, sinks.Throttled},
		"too many requests":        {&bqtest.LoadFault{Code: 429, Reason: "other"}, 1, sinks.Throttled},
		"no permission for a time": {&bqtest.LoadFault{Code: 403, Reason: "accessDenied"}, 1, sinks.Setup},
		"backend":                  {&bqtest.LoadFault{Fail: "backendError"}, 2, sinks.Transient},
		"internal":                 {&bqtest.LoadFault{Fail: "internalError"}, 2, sinks.Transient},
		"rate":                     {&bqtest.LoadFault{Fail: "jobRateLimitExceeded"}, 2, sinks.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, c := start(t)
			var seen observed
			c.Observer, c.AppendTimeout = &seen, 3*time.Second
			staging, storage := stagingOf(t, server)
			jobs := watch(server)
			once := sync.OnceValue(func() *bqtest.LoadFault { return test.fault })
			told := false
			jobs.set(func(l *bqtest.Load) *bqtest.LoadFault {
				if l.Table != "events_log" || told {
					return nil
				}
				told = true
				return once()
			})
			if err := loadOf(t, openSink(t, c).LoadJobs(staging), "faults", 100); err != nil {
				t.Fatal(err)
			}
			wantIDs(t, server, 100, false)
			if n := server.NumRows("sync_batches"); n != 1 {
				t.Errorf("%d batches, want 1", n)
			}
			ids := map[string]bool{}
			for _, id := range jobs.take() {
				if strings.Contains(id, "events_log") {
					ids[id] = true
				}
			}
			if len(ids) != test.attempts {
				t.Errorf("jobs %v, want %d", ids, test.attempts)
			}
			if test.retried != "" && seen.count(test.retried) == 0 || test.retried == "" && len(seen.retried) > 0 {
				t.Errorf("retries by class: %v, want some %q", seen.retried, test.retried)
			}
			if seen.rows != 101 {
				t.Errorf("%d rows were observed, want 101", seen.rows)
			}
			if keys := objects(t, storage); len(keys) != 0 {
				t.Errorf("staged objects are left: %v", keys)
			}
		})
	}
}

// TestLoadJobsFinal fails a job for good. It catches an error that quotes a
// value or does not say what to do, a ledger that tells of rows that are not
// there, and a load that cannot be begun again once the cause is mended.
func TestLoadJobsFinal(t *testing.T) {
	const secret = "13800138000"
	for _, test := range []struct{ reason, message, want string }{
		{"invalid", "Could not parse '" + secret + "' as INT64", "a row does not fit the table"},
		{"quotaExceeded", "Quota exceeded: " + secret + " exceeded quota for imports", "1,500 load jobs a day"},
		{"invalid", "Too many partitions produced, " + secret, "smaller parts"},
		{"quotaExceeded", "Number of partition modifications " + secret, "smaller parts"},
		{"accessDenied", "Access Denied: " + secret, "storage.objectViewer"},
		{"notFound", "Not found: " + secret, "has gone"},
		{"stopped", "Cancelled by " + secret, "when the cause is mended"},
		{"backendError", secret, "it ought to pass"},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			server, c := start(t)
			log := newLogged()
			c.Logger = loggerOf(log)
			staging, storage := stagingOf(t, server)
			jobs := watch(server)
			jobs.set(func(l *bqtest.Load) *bqtest.LoadFault {
				if l.Table == "events_log" {
					return &bqtest.LoadFault{Fail: test.reason, Message: test.message}
				}
				return nil
			})
			sink := openSink(t, c)
			err := loadOf(t, sink.LoadJobs(staging), "final", 10)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range []string{test.reason, test.want, "leadsync_final_events_log_", "bq show -j test-project:EU.leadsync_final"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if all := err.Error() + strings.Join(log.messages(), "\n"); strings.Contains(all, secret) {
				t.Errorf("the service's words are told: %s", all)
			}
			if n := server.NumRows("events_log") + server.NumRows("sync_batches"); n != 0 {
				t.Errorf("%d rows are there, want none", n)
			}
			if keys := objects(t, storage); len(keys) == 0 {
				t.Error("nothing that was staged is left")
			}
			jobs.set(nil)
			if err := loadOf(t, sink.LoadJobs(staging), "final", 10); err != nil {
				t.Fatalf("again: %v", err)
			}
			wantIDs(t, server, 10, false)
		})
	}
}

// TestLoadJobsDiscard closes loads that were not committed. It catches
// objects or rows that stay, and goroutines.
func TestLoadJobsDiscard(t *testing.T) {
	server, c := start(t)
	staging, storage := stagingOf(t, server)
	loader := openSink(t, c).LoadJobs(staging)
	loader.(*jobLoader).shardBytes = 1
	load := begin(t, loader, "discard")
	mustWrite(t, load, eventsAt(0, 10, time.Now()))
	if n := len(objects(t, storage)); n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
	if err := load.Close(); err != nil {
		t.Fatal(err)
	}
	if err := load.Write(t.Context(), eventsAt(0, 1, time.Now())); err == nil {
		t.Error("a closed load takes rows")
	}
	if err := load.Commit(t.Context()); err == nil {
		t.Error("a closed load is committed")
	}
	if n := len(objects(t, storage)) + server.NumRows("events_log"); n != 0 {
		t.Errorf("%d objects and rows are left", n)
	}
	if _, err := loader.Begin(t.Context(), "no/id"); err == nil {
		t.Error("an id with a slash is taken")
	}
}

// TestLoadJobsStagingFails fails the storage. It catches rows that get lost
// with their object and are committed all the same.
func TestLoadJobsStagingFails(t *testing.T) {
	for _, what := range []string{"create", "write", "close"} {
		t.Run(what, func(t *testing.T) {
			server, c := start(t)
			staging, _ := stagingOf(t, server)
			loader := openSink(t, c).LoadJobs(staging)
			load := begin(t, loader, "fails")
			mustWrite(t, load, eventsAt(0, 10, time.Now()))
			loader.(*jobLoader).shardBytes = 1
			broken := errors.New("broken")
			staging.failing(func(w, _ string) error {
				if w == what {
					return broken
				}
				return nil
			})
			rows := eventsAt(10, 20, time.Now())
			rows.Append(transform.TransitionsLog, nil) // an object of another table
			rows.AppendReplay(transform.Replay{DeadLetterID: "l", ReplayedAt: time.Now(), Outcome: "dead", WorkerVersion: "v"})
			if err := load.Write(t.Context(), rows); !errors.Is(err, broken) {
				t.Fatalf("write: %v, want the storage's error", err)
			}
			staging.failing(nil)
			if err := load.Write(t.Context(), rows); !errors.Is(err, broken) {
				t.Errorf("next write: %v, want the storage's error", err)
			}
			if err := load.Commit(t.Context()); !errors.Is(err, broken) {
				t.Errorf("commit: %v, want the storage's error", err)
			}
			if n := server.NumRows("events_log"); n != 0 {
				t.Errorf("%d rows are there", n)
			}
			if err := loadOf(t, loader, "fails", 20); err != nil {
				t.Fatal(err)
			}
			wantIDs(t, server, 20, false)
		})
	}
}

// TestLoadJobsStuckStorage ends the context of a Write that waits for the
// storage. It catches one that does not return.
func TestLoadJobsStuckStorage(t *testing.T) {
	server, c := start(t)
	load := begin(t, openSink(t, c).LoadJobs(stuck{}), "stuck")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := load.Write(ctx, eventsAt(0, 1, time.Now())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("write: %v, want the end of its context", err)
	}
	if n := server.NumLoads("events_log"); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// stuck is a storage that waits until it is given up.
type stuck struct{ Staging }

func (stuck) Delete(context.Context, string) error { return nil }

func (stuck) Create(ctx context.Context, _ string) (io.WriteCloser, error) {
	return stuckWriter{ctx}, nil
}

type stuckWriter struct{ ctx context.Context }

func (w stuckWriter) Write([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

func (w stuckWriter) Close() error {
	<-w.ctx.Done()
	return w.ctx.Err()
}

// TestLoadJobsHeld takes permissions away while a load is committed. It
// catches a load that says nothing, or does not go on once they are back.
func TestLoadJobsHeld(t *testing.T) {
	server, c := start(t)
	staging, _ := stagingOf(t, server)
	load := begin(t, openSink(t, c).LoadJobs(staging), "held")
	mustWrite(t, load, eventsAt(0, 5, time.Now()))
	server.Deny("events_log", true)
	result := make(chan error, 1)
	go func() { result <- load.Commit(t.Context()) }()
	eventually(t, "the load is not ready", func() bool { return load.Ready() != nil })
	if err := load.Ready(); err == nil || !strings.Contains(err.Error(), "roles/bigquery.jobUser") {
		t.Errorf("ready: %v, want the roles that are lacking", err)
	}
	server.Deny("events_log", false)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if err := load.Ready(); err != nil {
		t.Errorf("not ready after the commit: %v", err)
	}
	wantIDs(t, server, 5, false)
}
