package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/sync/pull/pulltest"
)

// plant is a worker on servers that misbehave on demand.
type plant struct {
	cloud

	leads *pulltest.Server
	sent  int
}

func newPlant(t *testing.T, environ ...string) *plant {
	t.Helper()
	w := &plant{cloud: cloud{bigquery: bqtest.New(t)}, leads: pulltest.New(t, "projects/acme/subscriptions/leads")}
	w.environ = append(os.Environ(),
		"PUBSUB_EMULATOR_HOST="+w.leads.Addr(), "PUBSUB_SUBSCRIPTION=leads", "GOOGLE_CLOUD_PROJECT=acme",
		"SINK=bigquery", "BIGQUERY_ENDPOINT="+w.bigquery.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT="+w.bigquery.StorageAddr(),
		"GORACE=atexit_sleep_ms=0", // under the race detector a process would sleep a second before it ends
		"BIGQUERY_INSECURE=true", "PORT=0", "LOG_FORMAT=json", "BATCH_MAX_ROWS=20", "BATCH_MAX_DELAY=50ms",
		"WATCHDOG_TIMEOUT=2s")
	w.environ = append(w.environ, environ...)
	w.apply(t)
	return w
}

func (w *plant) send(n int) {
	var msgs []pulltest.Message
	for range n {
		w.sent++
		msgs = append(msgs, pulltest.Message{Data: fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,`+
			`"extra_data":{"object_name":"lead","entity_id":"lead-%d","from_leads_status":"a","to_leads_status":"b"}}`, time.Now().Unix(), w.sent)})
	}
	w.leads.Publish(msgs...)
}

// settled waits until all is acknowledged: after an outage the Pub/Sub library
// pauses for up to a minute.
func (w *plant) settled(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := w.leads.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// unburnt checks that no message has cost more than its one delivery.
func (w *plant) unburnt(t *testing.T) {
	t.Helper()
	if got := w.leads.Stats(); got.MaxAttempt != 1 || got.Redelivered != 0 || got.Nacks != 0 {
		t.Errorf("deliveries were burnt: %+v", got)
	}
}

// isAlive and isReady ask the worker, of whose page the causes come second.
func (r *running) isAlive(t *testing.T) (bool, string) { return r.asks(t, "/healthz") }
func (r *running) isReady(t *testing.T) (bool, string) { return r.asks(t, "/readyz") }

func (r *running) asks(t *testing.T, page string) (bool, string) {
	t.Helper()
	code, body := r.get(t, page)
	return code == http.StatusOK, body
}

// notAlive waits until liveness fails, and checks that the cause has these
// words and the log one profile of the goroutines, which has those.
func (r *running) notAlive(t *testing.T, words string, stacks ...string) {
	t.Helper()
	eventually(t, "not alive", func() bool { alive, _ := r.isAlive(t); return !alive })
	if _, body := r.isAlive(t); !strings.Contains(body, words) {
		t.Errorf("%q is not in the cause: %s", words, body)
	}
	profiles := func() (list []string) {
		for line := range strings.Lines(r.text()) {
			var entry struct{ Goroutines string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Goroutines != "" {
				list = append(list, entry.Goroutines)
			}
		}
		return list
	}
	eventually(t, "a profile in the log", func() bool { return len(profiles()) > 0 })
	time.Sleep(3 * time.Second)
	list := profiles()
	if len(list) != 1 || len(list[0]) > maxProfile {
		t.Errorf("%d profiles, the first of %d bytes", len(list), len(list[0]))
	}
	for _, s := range stacks {
		if !strings.Contains(list[0], s) {
			t.Errorf("%q is not in the profile:\n%s", s, list[0])
		}
	}
}

// An append that is never answered must be told as what holds the rows back,
// and end with its connection replaced: without a restart, a nack or a message
// that is delivered again.
func TestRunStuckAppend(t *testing.T) {
	t.Parallel()
	w := newPlant(t)
	r := w.start(t)
	w.send(50)
	w.settled(t)
	w.bigquery.Next("events_log", &bqtest.Fault{Stuck: true})
	w.send(50)
	begun := time.Now()
	eventually(t, "not ready", func() bool { ready, _ := r.isReady(t); return !ready })
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("not ready after %v", took)
	}
	if _, body := r.isReady(t); !strings.Contains(body, "events_log") || !strings.Contains(body, "no answer") {
		t.Errorf("the cause is not named: %s", body)
	}
	w.settled(t)
	eventually(t, "ready again", func() bool { ready, _ := r.isReady(t); return ready })
	if alive, body := r.isAlive(t); !alive || strings.Contains(r.text(), "only a restart helps") {
		t.Errorf("a restart was asked for: %s", body)
	}
	if n := len(w.durable()); n != w.sent {
		t.Errorf("%d of %d messages are in the tables", n, w.sent)
	}
	w.unburnt(t)
	r.stop(t)
}

// A stream that brings nothing any more must be replaced by itself; one that
// brings nothing although it was replaced must end in a restart. Nothing may
// be lost, or delivered twice.
func TestRunStuckPull(t *testing.T) {
	t.Parallel()
	w := newPlant(t)
	r := w.start(t)
	w.send(50)
	w.settled(t)
	w.leads.Stall()
	w.send(50)
	w.settled(t)
	if alive, body := r.isAlive(t); !alive {
		t.Error(body)
	}
	if _, metrics := r.get(t, "/metrics"); !strings.Contains(metrics, "leadsync_stream_recycles_total ") ||
		strings.Contains(metrics, "leadsync_stream_recycles_total 0") {
		t.Error("no recycled stream was counted")
	}
	w.leads.Silence(true)
	w.send(50)
	r.notAlive(t, "messages wait and the streams bring none", "sync/pull.(*Source).watch")
	w.leads.Silence(false)
	w.settled(t)
	eventually(t, "alive and ready again", func() bool {
		alive, _ := r.isAlive(t)
		ready, _ := r.isReady(t)
		return alive && ready
	})
	w.unburnt(t)
	r.stop(t)
}

// A database that does not come back from a write must end in a restart. Its
// log is a pipe here that nobody reads: opening that never returns.
func TestRunStuckDatabase(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.duckdb")
	w := newPlant(t, "SINK=duckdb", "DUCKDB_PATH="+path)
	r := w.start(t)
	if err := os.Remove(path + ".wal"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path+".wal", 0o600); err != nil {
		t.Skip(err)
	}
	w.send(50)
	r.notAlive(t, "a write is stuck", "sinks/duckdb.(*DB).Write")
	if ready, body := r.isReady(t); !ready {
		t.Errorf("a cause is known: %s", body)
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".wal"); err != nil {
		t.Fatal(err)
	}
	r = w.start(t)
	w.settled(t)
	r.stop(t)
}

// Whatever keeps the warehouse from taking rows, for leases on end: the worker
// must hold what it has, say so within 10 s with the cause, stay alive, burn
// no delivery, and go on by itself.
func TestRunHoldsThroughOutages(t *testing.T) {
	t.Parallel()
	const lease, outage = 8 * time.Second, 20 * time.Second
	outages := []struct {
		name       string
		begin, end func(*testing.T, *plant)
		words      string
		plant      *plant
		running    *running
		begun      time.Time
	}{
		{name: "down",
			begin: func(_ *testing.T, w *plant) { w.bigquery.Down(true) },
			end:   func(_ *testing.T, w *plant) { w.bigquery.Down(false) },
			words: "transient"},
		{name: "permission lost",
			begin: func(_ *testing.T, w *plant) { w.bigquery.Deny("events_log", true) },
			end:   func(_ *testing.T, w *plant) { w.bigquery.Deny("events_log", false) },
			words: "setup"},
		{name: "table dropped",
			begin: func(t *testing.T, w *plant) { drop(t, w, "transitions_log") },
			end:   func(t *testing.T, w *plant) { w.apply(t) },
			words: "transitions_log"},
		{name: "schema behind",
			begin: func(t *testing.T, w *plant) {
				drop(t, w, "transitions_log")
				if err := w.bigquery.CreateTable("acme", "jing_leads", "transitions_log", &bq.TableMetadata{
					Schema: bq.Schema{{Name: "event_id", Type: bq.StringFieldType, Required: true}},
				}); err != nil {
					t.Fatal(err)
				}
			},
			end: func(t *testing.T, w *plant) {
				drop(t, w, "transitions_log")
				w.apply(t)
			},
			words: "transitions_log"},
		{name: "pub/sub refuses",
			begin: func(_ *testing.T, w *plant) {
				w.leads.FailPulls(status.Error(codes.PermissionDenied, "as the test wants"))
			},
			end:   func(_ *testing.T, w *plant) { w.leads.FailPulls(nil) },
			words: "roles/pubsub.subscriber"},
	}
	for i := range outages {
		o := &outages[i]
		o.plant = newPlant(t)
		o.plant.leads.Lease(lease)
		o.running = o.plant.start(t)
		o.plant.send(20)
		o.plant.settled(t)
	}
	for i := range outages {
		o := &outages[i]
		o.begin(t, o.plant)
		o.plant.send(40)
		o.begun = time.Now()
	}
	for i := range outages {
		o := &outages[i]
		eventually(t, o.name+": not ready", func() bool { ready, _ := o.running.isReady(t); return !ready })
		if took := time.Since(o.begun); took > 10*time.Second {
			t.Errorf("%s: not ready after %v", o.name, took)
		}
		if _, body := o.running.isReady(t); !strings.Contains(body, o.words) {
			t.Errorf("%s: %q is not in the cause: %s", o.name, o.words, body)
		}
	}
	for begun := time.Now(); time.Since(begun) < outage; time.Sleep(200 * time.Millisecond) {
		for _, o := range outages {
			if alive, body := o.running.isAlive(t); !alive {
				t.Fatalf("%s: %s", o.name, body)
			}
			if ready, _ := o.running.isReady(t); ready {
				t.Fatalf("%s: ready in the middle of it", o.name)
			}
		}
	}
	for _, o := range outages {
		o.end(t, o.plant)
	}
	for _, o := range outages {
		o.plant.settled(t)
		eventually(t, o.name+": ready again", func() bool { ready, _ := o.running.isReady(t); return ready })
		t.Logf("%s: over %v after it was", o.name, time.Since(o.begun)-outage)
		o.plant.unburnt(t)
		o.running.stop(t)
		if n := len(o.plant.durable()); n != o.plant.sent {
			t.Errorf("%s: %d of %d messages are in the tables", o.name, n, o.plant.sent)
		}
	}
}

func drop(t *testing.T, w *plant, table string) {
	t.Helper()
	if err := w.bigquery.Drop(table); err != nil {
		t.Fatal(err)
	}
}
