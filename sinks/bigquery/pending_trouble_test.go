package bigquery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"

	"leadsync/sinks/bigquery/bqtest"
)

// TestPendingStreamErrors answers a commit with errors of its streams, which
// fail no call. It would catch a commit that takes them for success, or that
// repeats for ever what cannot come about.
func TestPendingStreamErrors(t *testing.T) {
	for _, test := range []struct {
		code storagepb.StorageError_StorageErrorCode
		want string // part of the error, "" for a commit that goes through
		rows int
	}{
		{storagepb.StorageError_KMS_SERVICE_ERROR, "", 10},
		{storagepb.StorageError_CMEK_ENCRYPTION_ERROR, "", 10},
		{storagepb.StorageError_STREAM_ALREADY_COMMITTED, "", 0}, // believed: only its own commit can have done that
		{storagepb.StorageError_INVALID_STREAM_STATE, "INVALID_STREAM_STATE", 0},
		{storagepb.StorageError_STREAM_NOT_FOUND, "STREAM_NOT_FOUND", 0},
	} {
		t.Run(test.code.String(), func(t *testing.T) {
			server, c := start(t)
			load := beginLoad(t, c)
			if err := load.Write(t.Context(), events(10)); err != nil {
				t.Fatal(err)
			}
			told := false
			server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
				if told || call.Method != "BatchCommitWriteStreams" {
					return nil
				}
				told = true
				return &bqtest.Fault{StreamErrors: test.code}
			})
			err := load.Commit(t.Context())
			if test.want == "" && err != nil || test.want != "" && !says(err, "part-1", "events_log", test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if n := server.NumRows("events_log"); n != test.rows {
				t.Errorf("%d rows, want %d", n, test.rows)
			}
		})
	}
}

// TestPendingHeld keeps a commit, and before it a write, from going through
// for a while. It would catch one that gives up, or does not say what is wrong.
func TestPendingHeld(t *testing.T) {
	for name, test := range map[string]struct {
		begin, end func(*bqtest.Server)
		words      []string
	}{
		"down":   {func(s *bqtest.Server) { s.Down(true) }, func(s *bqtest.Server) { s.Down(false) }, []string{"events_log", "transient", "Unavailable"}},
		"denied": {func(s *bqtest.Server) { s.Deny("events_log", true) }, func(s *bqtest.Server) { s.Deny("events_log", false) }, []string{"events_log", "setup", "roles/bigquery.dataEditor"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			log := newLogged()
			c.Logger = loggerOf(log)
			load := beginLoad(t, c)
			hold := func(what string, do func() error) {
				t.Helper()
				test.begin(server)
				done := make(chan error, 1)
				go func() { done <- do() }()
				eventually(t, what+" says what is wrong", func() bool { return says(load.Ready(), test.words...) })
				test.end(server)
				if err := <-done; err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if err := load.Ready(); err != nil {
					t.Errorf("%s: still not ready: %v", what, err)
				}
			}
			hold("a first write", func() error { return load.Write(t.Context(), events(10)) })
			hold("a second write", func() error { return load.Write(t.Context(), eventsFrom(10, 20)) })
			hold("a commit", func() error { return load.Commit(t.Context()) })
			wantIDs(t, server, 20, false)
			if got := strings.Join(log.messages(), "\n"); !strings.Contains(got, "writes are held back table=events_log") {
				t.Errorf("the log has %q", got)
			}
		})
	}
}

// TestPendingGivesUp ends the context of a write and of a commit during an
// outage. It would catch a call that outlives it, and an error without a cause.
func TestPendingGivesUp(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	if err := load.Write(t.Context(), events(5)); err != nil {
		t.Fatal(err)
	}
	server.Down(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := load.Write(ctx, eventsFrom(5, 10)); !errors.Is(err, context.DeadlineExceeded) || !says(err, "Unavailable") {
		t.Errorf("write: %v, want the deadline and the cause", err)
	}
	if err := load.Ready(); err != nil {
		t.Errorf("not ready although nothing waits: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := load.Commit(ctx); !errors.Is(err, context.DeadlineExceeded) || !says(err, "Unavailable") {
		t.Errorf("commit: %v, want the deadline and the cause", err)
	}
	server.Down(false)
	if n := server.NumRows("events_log"); n != 0 {
		t.Errorf("%d rows are seen after a commit that failed", n)
	}
}

// TestPendingLost takes the stream away, with rows in it. It would catch a load
// that is committed without them, or waits for ever.
func TestPendingLost(t *testing.T) {
	for name, lose := range map[string]func(*testing.T, *bqtest.Server, Config){
		"expired": func(_ *testing.T, s *bqtest.Server, _ Config) { s.Expire() },
		"table made anew": func(t *testing.T, s *bqtest.Server, c Config) {
			if err := s.Drop("events_log"); err != nil {
				t.Fatal(err)
			}
			apply(t, c)
		},
	} {
		for _, write := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, write=%t", name, write), func(t *testing.T) {
				server, c := start(t)
				load := beginLoad(t, c)
				if err := load.Write(t.Context(), events(5)); err != nil {
					t.Fatal(err)
				}
				lose(t, server, c)
				if write {
					for range 2 {
						if err := load.Write(t.Context(), eventsFrom(5, 10)); !says(err, "5 rows", "lost", "STREAM_NOT_FOUND") && !says(err, "5 rows", "lost", "not found") {
							t.Errorf("write: %v", err)
						}
					}
				}
				if err := load.Commit(t.Context()); !says(err, "5 rows", "lost") {
					t.Errorf("commit: %v", err)
				}
				if n := server.NumRows("events_log"); n != 0 {
					t.Errorf("%d rows are seen", n)
				}
			})
		}
	}
}

// TestPendingEmptyLost takes streams away that have no rows yet. It would catch
// a load that is given up for nothing.
func TestPendingEmptyLost(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	n := 0
	server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
		if call.Method == "GetWriteStream" {
			if n++; n == 1 || n == 5 {
				server.Expire()
			}
		}
		return nil
	})
	server.Next("events_log", &bqtest.Fault{Code: codes.InvalidArgument, Storage: storagepb.StorageError_STREAM_FINALIZED})
	if err := load.Write(t.Context(), events(5)); err != nil {
		t.Fatal(err)
	}
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 5, false)
	if s := server.Stats("events_log"); s.Streams < 2 || s.Commits != 1 {
		t.Errorf("stats %+v, want more than one stream, and one commit", s)
	}
}

// TestPendingAnotherStream has a bad row in a request whose first try went
// missing together with that of a request behind it, of which the service
// takes a late copy. It would catch rows that are put where that copy ends up.
func TestPendingAnotherStream(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	server.Refuse("events_log", func(row map[string]any) bool { return row["event_id"] == "e1" })
	// The first request has e0 and the bad e1, the second e2. Both are sent,
	// and lost with the connection. The copy of the second comes when just as
	// many rows are there as it expects.
	release := make(chan bool)
	seen := 0
	server.Fault(func(a *bqtest.Append) *bqtest.Fault {
		switch seen++; seen {
		case 1:
			<-release
			return &bqtest.Fault{Code: codes.Unavailable, Delay: 20 * time.Millisecond}
		case 2:
			return &bqtest.Fault{Code: codes.Unavailable, Reset: true, Late: 30 * time.Millisecond}
		}
		return nil
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		wantRefused(t, load.Write(t.Context(), eventsFrom(0, 2)), "FIELDS_ERROR", []int{1})
	})
	eventually(t, "the first request is under way", func() bool { return server.Stats("events_log").Appends > 0 })
	for i := 2; i < 5; i++ {
		wg.Go(func() {
			if err := load.Write(t.Context(), eventsFrom(i, i+1)); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	close(release)
	wg.Wait()
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"e0": 1, "e2": 1, "e3": 1, "e4": 1}
	if got := ids(server); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if s := server.Stats("events_log"); s.Streams != 2 || s.Commits != 1 {
		t.Errorf("stats %+v, want two streams and one commit", s)
	}
}

// TestPendingGoneBeforeAnother leaves a write whose request is under way, with
// one of another write behind it; both were written, and nobody is told. It
// would catch a row that is sent again because what is before it is not.
func TestPendingGoneBeforeAnother(t *testing.T) {
	server, c := start(t)
	load := beginLoad(t, c)
	server.Fault(func(a *bqtest.Append) *bqtest.Fault {
		if a.N > 2 {
			return nil
		}
		return &bqtest.Fault{Delay: 10 * time.Second}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := load.Write(ctx, events(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("the first write: %v", err)
		}
	})
	eventually(t, "the first is there", func() bool { return server.Stats("events_log").Written == 1 })
	wg.Go(func() {
		if err := load.Write(t.Context(), eventsFrom(1, 2)); err != nil {
			t.Errorf("the second write: %v", err)
		}
	})
	eventually(t, "the second is there", func() bool { return server.Stats("events_log").Written == 2 })
	cancel()
	time.Sleep(20 * time.Millisecond)
	server.Disconnect()
	wg.Wait()
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 2, false)
	if n := server.Stats("events_log").Written; n != 2 {
		t.Errorf("%d appends were written, want the 2 that were", n)
	}
}

// TestPendingOutOfStep has a stream that does not end where it should. It would
// catch a load that takes its rows for staged.
func TestPendingOutOfStep(t *testing.T) {
	for name, fault := range map[string]*bqtest.Fault{
		"somebody else wrote": {Code: codes.AlreadyExists, Storage: storagepb.StorageError_OFFSET_ALREADY_EXISTS},
		"rows went missing":   {Code: codes.OutOfRange, Storage: storagepb.StorageError_OFFSET_OUT_OF_RANGE},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			load := beginLoad(t, c)
			if err := load.Write(t.Context(), events(2)); err != nil {
				t.Fatal(err)
			}
			server.Next("events_log", fault)
			if err := load.Write(t.Context(), eventsFrom(2, 4)); !says(err, "at row 2") {
				t.Errorf("write: %v", err)
			}
			if err := load.Commit(t.Context()); !says(err, "at row 2") {
				t.Errorf("commit: %v", err)
			}
			if n := server.NumRows("events_log"); n != 0 {
				t.Errorf("%d rows are seen", n)
			}
		})
	}
}

// TestPendingCount has streams with more or fewer rows than were sent. It would
// catch a commit that does not look.
func TestPendingCount(t *testing.T) {
	for name, count := range map[string]int{"more": 3, "fewer": 1} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			load := beginLoad(t, c)
			if err := load.Write(t.Context(), events(2)); err != nil {
				t.Fatal(err)
			}
			server.SetStaged("events_log", count)
			if err := load.Commit(t.Context()); !says(err, fmt.Sprintf("has %d rows", count)) {
				t.Errorf("commit: %v", err)
			}
			if n := server.NumRows("events_log"); n != 0 {
				t.Errorf("%d rows are seen", n)
			}
		})
	}
}
