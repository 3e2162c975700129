package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/api/googleapi"

	"leadsync/sinks"
	"leadsync/sinks/bigquery"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

var (
	_ workerSink = (*bigquery.Sink)(nil)
	_ workerSink = (*duckdb.DB)(nil)
)

// tombstones is a sink with these tombstones, or an error.
type tombstones struct {
	sinks.Sink
	mu    sync.Mutex
	ids   []string
	err   error
	reads int
}

func (s *tombstones) set(err error, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.err = ids, err
}

func (s *tombstones) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func (s *tombstones) Erased(context.Context) (list []transform.EntityDigest, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for _, id := range s.ids {
		list = append(list, transform.DigestEntity(id))
	}
	return list, s.err
}

// Catches a worker that begins without knowing who was erased, does not learn
// of an erasure, forgets what it knew when it cannot read, or cannot be ended.
func TestFollowErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, set := &tombstones{err: errors.New("no rights")}, &transform.Erased{}
		var cause atomic.Value // its text
		begun := time.Now()
		time.AfterFunc(time.Minute, func() {
			if cause.Load() != "no rights" {
				t.Errorf("it waits for %v", cause.Load())
			}
			sink.set(nil, "a")
		})
		stop, err := followErased(t.Context(), sink, set, slog.New(slog.DiscardHandler), func(err error) { cause.Store(fmt.Sprint(err)) })
		if err != nil || cause.Load() != "<nil>" || time.Since(begun) < time.Minute || !set.Has([]byte("a")) {
			t.Fatalf("after %v: %v, waiting for %v", time.Since(begun), err, cause.Load())
		}
		sink.set(nil, "a", "b")
		time.Sleep(erasedRefresh + time.Second)
		if !set.Has([]byte("b")) {
			t.Error("an erasure is not known after five minutes")
		}
		sink.set(errors.New("away"))
		time.Sleep(erasedRefresh)
		if !set.Has([]byte("a")) || !set.Has([]byte("b")) {
			t.Error("what was known is forgotten")
		}
		sink.set(nil, "b")
		time.Sleep(erasedRefresh)
		if set.Has([]byte("a")) || !set.Has([]byte("b")) {
			t.Error("the set was not replaced once it could be read again")
		}
		stop()
		reads := sink.count()
		time.Sleep(time.Hour)
		if sink.count() != reads {
			t.Error("it goes on to read after its end")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := followErased(ctx, &tombstones{err: errors.New("no rights")}, &transform.Erased{}, slog.New(slog.DiscardHandler), func(error) {})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no rights") {
			t.Errorf("error %v", err)
		}
	})
}

// While the tombstones cannot be read the worker must pull nothing and say
// why; afterwards it must leave out what was erased, and acknowledge it. Catches a
// worker that brings an erased lead back at each start.
func TestRunAwaitsTombstones(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	var denied atomic.Bool
	denied.Store(true)
	c.bigquery.FailREST(func(r *http.Request) error {
		if denied.Load() && strings.HasSuffix(r.URL.Path, "/erasures/data") {
			return &googleapi.Error{Code: http.StatusForbidden, Message: "bigquery.tables.getData denied", Errors: []googleapi.ErrorItem{{Reason: "accessDenied"}}}
		}
		return nil
	})
	if err := c.bigquery.Change("erasures", func([]map[string]any) []map[string]any {
		return []map[string]any{{"entity_digest": transform.DigestEntity("lead-3").String(), "erased_at": time.Now().UTC()}}
	}); err != nil {
		t.Fatal(err)
	}
	c.publish(0, 10)
	w := c.launch(t)
	eventually(t, "it says why it waits", func() bool {
		return strings.Contains(w.text(), `"the worker waits","for":"the tombstones"`) && strings.Contains(w.text(), "bigquery.tables.getData denied")
	})
	if ids, _ := acked(c.pubsub); len(ids) > 0 || c.bigquery.NumRows("events_log") > 0 {
		t.Errorf("%d messages were acknowledged while it waited", len(ids))
	}
	denied.Store(false)
	w.await(t)
	eventually(t, "every message acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	w.stop(t)
	for _, row := range c.bigquery.Rows("events_log") {
		if row["entity_id"] == "lead-3" {
			t.Error("an event about an erased lead was written")
		}
	}
	filtered := int64(0)
	for _, row := range c.bigquery.Rows("sync_batches") {
		filtered += row["filtered"].(int64)
	}
	if n := len(c.bigquery.Rows("events_log")); n != 9 || filtered != 1 {
		t.Errorf("%d events written and %d messages filtered, want 9 and 1", n, filtered)
	}
}

// Told to end while it waits, the worker must end at once and without an error.
func TestRunEndsWhileItAwaitsTombstones(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	var asked atomic.Bool
	c.bigquery.FailREST(func(r *http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/erasures/data") {
			asked.Store(true)
			return errors.New("away") // the client itself tries again
		}
		return nil
	})
	w := c.launch(t)
	eventually(t, "it has asked for the tombstones", asked.Load)
	if took := w.stop(t); took > 5*time.Second {
		t.Errorf("ended after %v", took)
	}
}
