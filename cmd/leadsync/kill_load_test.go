package main

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/sync/pull/pulltest"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

// killed is a worker that is killed again and again, and what it was given.
type killed struct {
	t       *testing.T
	seed    uint64
	rand    *rand.Rand
	pubsub  *pulltest.Server
	cloud   *cloud // starts workers; nothing of it but its environment is set
	environ []string
	stored  func(visit func(stored)) // shows what is in the warehouse now

	transformer *transform.Transformer
	mu          sync.Mutex
	facts       map[string]string // by message id: the id of the event, or of the dead letter
	once        transform.Rows    // the rows of every event, once
	letters     map[string]bool   // the dead letters that there must be
}

// stored is a warehouse that tells the rows of a table.
type stored interface {
	Rows(table string) []map[string]any
}

func newKilled(t *testing.T, environ ...string) *killed {
	t.Helper()
	k := &killed{
		t: t, seed: seedOf(t), pubsub: pulltest.New(t, "projects/acme/subscriptions/leads"),
		transformer: transform.New(transform.Options{}), facts: map[string]string{}, letters: map[string]bool{},
	}
	k.rand = rand.New(rand.NewPCG(k.seed, 1))
	k.environ = append(append(os.Environ(),
		"PUBSUB_EMULATOR_HOST="+k.pubsub.Addr(), "PUBSUB_SUBSCRIPTION=leads", "GOOGLE_CLOUD_PROJECT=acme",
		"GORACE=atexit_sleep_ms=0", // under the race detector a process would sleep a second before it ends
		"PORT=0", "LOG_FORMAT=json", "BATCH_MAX_ROWS=50", "BATCH_MAX_DELAY=50ms"), environ...)
	k.cloud = &cloud{environ: k.environ}
	return k
}

// feed publishes events until the function it returns is called: those of a
// simulated tenant, every 25th of them once more later, and now and then what
// is no event.
func (k *killed) feed() (stop func()) {
	tenant := simulate.New(simulate.Options{Seed: k.seed, Events: 200_000, Now: time.Now(), Clean: true})
	next, finish := iter.Pull(tenant.Deliveries())
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer finish()
		var again []pulltest.Message
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
			d, ok := next()
			if !ok {
				return
			}
			m := pulltest.Message{Data: d.Payload, Attributes: d.Attributes, PublishedAt: time.Now()}
			if i%40 == 39 {
				m.Data = m.Data[:len(m.Data)-1-i%7]
			}
			k.publish(m, true)
			if i%25 == 24 {
				again = append(again, m)
			}
			if len(again) > 20 {
				k.publish(again[0], false)
				again = again[1:]
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

// publish publishes a message and takes down what must come of it.
func (k *killed) publish(m pulltest.Message, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := k.pubsub.Publish(m)[0]
	var rows transform.Rows
	into := &k.once
	if !fresh {
		into = &rows
	}
	event, err := k.transformer.Transform(into, m.Data, transform.Delivery{
		MessageID: id, PublishedAt: m.PublishedAt, IngestedAt: time.Now(), Source: "pubsub",
	})
	if err == nil {
		k.facts[id] = hex.EncodeToString(event.ID[:])
		return
	}
	k.facts[id] = k.letter(m.Data, err)
	k.letters[k.facts[id]] = true
}

// letter returns the id of the dead letter that a payload must become.
func (k *killed) letter(payload []byte, err error) string {
	var rejection *transform.Rejection
	if !errors.As(err, &rejection) {
		k.t.Error(err)
	}
	var rows transform.Rows
	rows.AppendDeadLetter(transform.DeadLetter{Rejection: rejection, Payload: payload})
	values, err := transform.DeadLetters.Table().Values(nil, rows.Row(transform.DeadLetters, 0))
	if err != nil {
		k.t.Error(err)
		return ""
	}
	return values[0].(string)
}

// acknowledged returns the ids of messages that are.
func (k *killed) acknowledged() map[string]bool {
	ids := map[string]bool{}
	k.pubsub.Each(func(r pulltest.Record) {
		if r.Acks > 0 {
			ids[r.ID] = true
		}
	})
	return ids
}

// check fails unless all that is acknowledged is in the warehouse.
func (k *killed) check(n int) {
	k.t.Helper()
	facts := k.durable()
	acked := k.acknowledged()
	k.mu.Lock()
	defer k.mu.Unlock()
	lost := 0
	for id := range acked {
		if facts[k.facts[id]] == nil {
			if lost++; lost <= 5 {
				k.t.Errorf("end %d: message %s is acknowledged and in no table", n, id)
			}
		}
	}
	k.t.Logf("end %d: %d messages acknowledged, %d lost; %d facts in the warehouse", n, len(acked), lost, len(facts))
}

// unacked returns the messages whose rows were made since then and are in the
// warehouse, and which are not acknowledged.
func (k *killed) unacked(since time.Time) map[string]bool {
	acked := k.acknowledged()
	ids := map[string]bool{}
	for _, copies := range k.durable() {
		for _, c := range copies {
			if !acked[c.message] && !c.made.Before(since) {
				ids[c.message] = true
			}
		}
	}
	return ids
}

// copied is a row of an event or dead letter in the warehouse.
type copied struct {
	message string // that brought it
	made    time.Time
}

// durable returns the events and dead letters that are in the warehouse, by
// their ids, with their copies.
func (k *killed) durable() map[string][]copied {
	facts := map[string][]copied{}
	k.stored(func(w stored) {
		for _, table := range []struct{ name, key, made string }{
			{"events_log", "event_id", "ingested_at"}, {"dead_letters", "dead_letter_id", "dead_at"},
		} {
			for _, row := range w.Rows(table.name) {
				id := row[table.key].(string)
				facts[id] = append(facts[id], copied{row["message_id"].(string), row[table.made].(time.Time)})
			}
		}
	})
	return facts
}

// openCopy shows a copy of the database as the last worker left it: what looks
// must not mend anything for the next worker. There may be no database yet.
func (k *killed) openCopy(path string, visit func(stored)) {
	k.t.Helper()
	dir := k.t.TempDir()
	defer func() { _ = os.RemoveAll(dir) }()
	to := filepath.Join(dir, "copy.duckdb")
	for _, suffix := range []string{"", ".wal"} {
		data, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			if suffix == "" {
				return
			}
			continue
		}
		if err == nil {
			err = os.WriteFile(to+suffix, data, 0o600)
		}
		if err != nil {
			k.t.Fatal(err)
		}
	}
	db, err := duckdb.Open(k.t.Context(), duckdb.Config{Path: to, ReadOnly: true})
	if err != nil {
		k.t.Fatalf("the database after the worker's end: %v", err)
	}
	defer func() { _ = db.Close() }() // a copy
	visit(embedded{k.t, db})
}
