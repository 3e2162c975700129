package bigquery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/sinks/bigquery/bqtest"
)

// TestLoadJobsAgain begins loads again that were committed. It catches rows
// that are staged or loaded twice, and a loss: a table that was made anew.
func TestLoadJobsAgain(t *testing.T) {
	server, c := start(t)
	staging, storage := stagingOf(t, server)
	jobs := watch(server)
	loader := openSink(t, c).LoadJobs(staging)
	if err := loadOf(t, loader, "again", 10); err != nil {
		t.Fatal(err)
	}
	jobs.take()
	staging.failing(func(what, name string) error {
		if what != "delete" {
			t.Errorf("%s %s", what, name)
		}
		return nil
	})
	if err := loadOf(t, loader, "again", 10); err != nil {
		t.Error(err)
	}
	wantIDs(t, server, 10, false)
	if ids, keys := jobs.take(), objects(t, storage); len(ids)+len(keys) != 0 {
		t.Errorf("jobs %v and objects %v, want none", ids, keys)
	}
	staging.failing(nil)
	if err := server.Drop("events_log"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond) // the service tells tables apart by the millisecond
	apply(t, c)
	if err := loadOf(t, loader, "again", 11); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 11, false)
}

// TestLoadJobsInterrupted ends the context of a commit while a job runs. It
// catches a commit that goes on, and a next life that does not wait for the
// job, leaves objects behind, or writes a ledger of rows that were made by
// another life.
func TestLoadJobsInterrupted(t *testing.T) {
	server, c := start(t)
	staging, storage := stagingOf(t, server)
	jobs := watch(server)
	running := make(chan struct{})
	jobs.set(func(l *bqtest.Load) *bqtest.LoadFault {
		if l.Table != "events_log" {
			return nil
		}
		close(running)
		return &bqtest.LoadFault{Running: 300 * time.Millisecond}
	})
	sink, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	load, err := sink.LoadJobs(staging).Begin(t.Context(), "interrupted")
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, load, eventsAt(0, 10, time.Now()))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	if err := load.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v, want canceled", err)
	}
	if err := errors.Join(load.Close(), sink.Close()); err != nil {
		t.Fatal(err)
	}
	if len(objects(t, storage)) == 0 {
		t.Error("objects were deleted under a job that reads them")
	}
	jobs.take()
	jobs.set(nil)
	if err := loadOf(t, openSink(t, c).LoadJobs(staging), "interrupted", 10); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 10, true)
	if got, batches := ids(server)["e0"], server.NumRows("sync_batches"); got != 2 || batches != 1 {
		t.Errorf("event e0 is there %d times with %d batches, want 2 and 1", got, batches)
	}
	for _, key := range objects(t, storage) {
		if strings.Contains(key, "events_log") {
			t.Errorf("object %s is left", key)
		}
	}
}

// TestLoadJobsProperty runs loads by processes that are killed at any moment,
// one or two at a time, against a service that fails at random, until one of them
// has committed each. It catches a row that is lost and a batch of the ledger
// that is lost or doubled, whatever happens.
func TestLoadJobsProperty(t *testing.T) {
	server, c := start(t)
	c.AppendTimeout = 60 * time.Millisecond
	staging, _ := stagingOf(t, server)
	jobs := watch(server)
	next, events := 0, 0
	for range 30 {
		next++
		id := fmt.Sprintf("property%d", next)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex
		draw := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return random.IntN(n)
		}
		faults := []*bqtest.LoadFault{
			{Code: 503, Taken: true}, {Hang: true, Taken: true}, {Hang: true}, {Fail: "backendError"}, {Fail: "invalid"},
			{Hidden: 2}, {Running: 20 * time.Millisecond}, {Code: 400, Reason: "invalid"}, {Pending: 5 * time.Millisecond, Fail: "internalError"},
		}
		jobs.set(func(*bqtest.Load) *bqtest.LoadFault {
			if i := draw(3 * len(faults)); i < len(faults) {
				return faults[i]
			}
			return nil
		})
		staging.failing(func(string, string) error {
			if draw(40) == 0 {
				return errors.New("storage")
			}
			return nil
		})
		from := events
		events += 20
		life := func(patience time.Duration) bool {
			sink, err := Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer sink.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			loader := sink.LoadJobs(staging)
			loader.(*jobLoader).shardBytes = 5000
			load, err := loader.Begin(ctx, id)
			if err != nil {
				return false
			}
			defer load.Close()
			var wg sync.WaitGroup
			ok := [2]bool{}
			for i := range ok {
				wg.Go(func() { ok[i] = load.Write(ctx, eventsAt(from+10*i, from+10*i+10, time.Now())) == nil })
			}
			wg.Wait()
			return ok[0] && ok[1] && load.Commit(ctx) == nil
		}
		lives := 1 + next%2
		for try := 0; ; try++ {
			if try == 100 {
				t.Fatalf("seed %d: load %s is stuck", seed, id)
			}
			var wg sync.WaitGroup
			done := make([]bool, lives)
			for i := range lives {
				patience := time.Duration(1+draw(400)) * time.Millisecond
				wg.Go(func() { done[i] = life(patience) })
			}
			wg.Wait()
			if done[0] || done[lives-1] {
				break
			}
		}
		wantIDs(t, server, events, true)
		if n := server.NumRows("sync_batches"); n != 2*next {
			t.Errorf("%d batches, want %d", n, 2*next)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestLoadJobsTwoLives lets a load begin again while its earlier life, thought
// dead, goes on. It catches lives that write to the same objects: the one that
// is first would load what the other has staged so far.
func TestLoadJobsTwoLives(t *testing.T) {
	server, c := start(t)
	staging, _ := stagingOf(t, server)
	loader := openSink(t, c).LoadJobs(staging)
	loader.(*jobLoader).shardBytes = 1
	first, second := begin(t, loader, "lives"), begin(t, loader, "lives")
	a, b := eventsAt(0, 10, time.Now()), eventsAt(10, 20, time.Now())
	mustWrite(t, first, a)
	mustWrite(t, first, b)
	mustWrite(t, second, b)
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, second, a)
	if err := second.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 20, true)
	if n := server.NumRows("sync_batches"); n != 2 {
		t.Errorf("%d batches, want 2", n)
	}
}
