package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"testing"
	"time"

	"leadsync/sinks/bigquery"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sync/pipeline"
	"leadsync/sync/pull"
	"leadsync/sync/pull/pulltest"
)

// A live is a worker between a Pub/Sub and a BigQuery, with the vendor's
// clients in between.
type live struct {
	*testing.T
	pubsub   *pulltest.Server
	bigquery *bqtest.Server
	sink     *bigquery.Sink
	stop     func() // drains
}

// begin starts everything; a batch is 500 messages, or what comes in a second.
func begin(t *testing.T, window int) *live {
	t.Helper()
	l := &live{T: t, pubsub: pulltest.New(t, "projects/acme/subscriptions/leads"), bigquery: bqtest.New(t)}
	t.Setenv("PUBSUB_EMULATOR_HOST", l.pubsub.Addr())
	c := bigquery.Config{
		ProjectID: "acme", Dataset: "jing_leads", Location: "EU",
		Endpoint: l.bigquery.RESTURL(), StorageEndpoint: l.bigquery.StorageAddr(), Insecure: true,
	}
	warehouse, err := bigquery.OpenWarehouse(t.Context(), c)
	l.must(err)
	plan, err := warehouse.Plan(t.Context())
	l.must(err)
	l.must(warehouse.Apply(t.Context(), plan))
	l.must(warehouse.Close())
	l.sink, err = bigquery.Open(t.Context(), c)
	l.must(err)
	source, err := pull.Open(context.WithoutCancel(t.Context()), pull.Config{
		Project: "acme", Subscription: "leads", MaxOutstandingMessages: 5000, MaxOutstandingBytes: 64 << 20,
	})
	l.must(err)

	ctx, cancel := context.WithCancel(t.Context())
	p := pipeline.New(pipeline.Config{
		Sink: l.sink, IngestSource: "pubsub", WorkerID: "w", MaxRows: 500, MaxDelay: time.Second, DuplicateWindow: window,
	})
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, source) }()
	stopped := false
	l.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := source.Close(); err != nil {
			t.Errorf("close source: %v", err)
		}
		if err := l.sink.Close(); err != nil {
			t.Errorf("close sink: %v", err)
		}
	}
	t.Cleanup(l.stop)
	return l
}

func (l *live) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// at is the time of all events, so that a number's event is always the same.
var at = time.Now().Unix()

// event returns the event of a number.
func event(i int) []byte {
	return fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":`+
		`{"object_name":"lead","entity_id":"lead-%d","notes":"n","from_leads_status":"a","to_leads_status":"b"}}`, at, i)
}

// publish publishes events [from, to), the one at place odd with other data.
func (l *live) publish(from, to, odd int, data []byte) {
	var msgs []pulltest.Message
	for i := from; i < to; i++ {
		m := pulltest.Message{Data: event(i)}
		if i == odd {
			m.Data = data
		}
		msgs = append(msgs, m)
	}
	l.pubsub.Publish(msgs...)
}

// settled waits until everything published is acknowledged.
func (l *live) settled() {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), 60*time.Second)
	defer cancel()
	l.must(l.pubsub.Wait(ctx))
}

// rows compares the numbers of rows.
func (l *live) rows(events, letters int) {
	l.Helper()
	if e, d := l.bigquery.NumRows("events_log"), l.bigquery.NumRows("dead_letters"); e != events || d != letters {
		l.Errorf("%d events and %d dead letters, want %d and %d", e, d, events, letters)
	}
}

// balanced reports a row of the ledger that does not add up, and returns the
// sums of what was received and of duplicates.
func (l *live) balanced() (received, duplicates int64) {
	l.Helper()
	for _, row := range l.bigquery.Rows("sync_batches") {
		n := func(name string) int64 { return row[name].(int64) }
		if n("received") != n("written")+n("duplicates")+n("dead")+n("filtered") {
			l.Errorf("ledger: %v", row)
		}
		received, duplicates = received+n("received"), duplicates+n("duplicates")
	}
	return received, duplicates
}

// One of 500 messages is bad, in each of the places where that can be found
// out. Catches good messages that die, wait or are nacked with it, and a
// search that takes more than its bound of requests.
func TestPoison(t *testing.T) {
	const bad = 311
	for name, data := range map[string][]byte{
		"decode":         []byte(`{"mid":"1",`),
		"transform":      []byte(`{"mid":"1","event_type":"object_create","create_time":1}`),
		"server":         bytes.Replace(event(bad), []byte(`"n"`), []byte(`"poison"`), 1),
		"server, listed": bytes.Replace(event(bad), []byte(`"n"`), []byte(`"poison"`), 1),
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, 0)
			l.bigquery.Refuse("events_log", func(row map[string]any) bool { return row["notes"] == "poison" })
			if name == "server" {
				l.bigquery.ListRowErrors("events_log", 0)
			}
			l.publish(0, 500, bad, data)
			l.settled()
			l.stop()
			l.rows(499, 1)
			if s := l.pubsub.Stats(); s.Nacks != 0 || s.Redelivered != 0 {
				t.Errorf("%d nacks, %d redelivered", s.Nacks, s.Redelivered)
			}
			// A batch has one request. How the messages fell into batches is
			// known from the ledger.
			most := l.bigquery.NumRows("sync_batches")
			switch name {
			case "server":
				most += bits.Len(500-1) + 1
			case "server, listed":
				most++
			}
			if n := l.bigquery.Stats("events_log").Appends; n > most {
				t.Errorf("%d requests, want at most %d", n, most)
			}
			if received, _ := l.balanced(); received != 500 {
				t.Errorf("ledger: %d received", received)
			}
			if stage := l.bigquery.Rows("dead_letters")[0]["stage"]; stage != map[string]string{"decode": "decode", "transform": "transform"}[name] && stage != "write" {
				t.Errorf("died at stage %v", stage)
			}
		})
	}
}

// Every message is delivered over and over although it was acknowledged, and a
// publisher sends all events a second time. Catches copies that are written:
// they cost appends, and views the work of hiding them.
func TestStorm(t *testing.T) {
	l := begin(t, 10_000)
	const n = 2000
	l.publish(0, n, 7, []byte("{"))
	l.settled()
	l.rows(n-1, 1)
	appends := l.bigquery.Stats("events_log").Appends
	l.pubsub.Storm(3)
	l.publish(0, n, 7, []byte("{"))
	l.settled()
	l.stop()
	l.rows(n-1, 1)
	if more := l.bigquery.Stats("events_log").Appends - appends; more != 0 {
		t.Errorf("%d appends of events for what was written already", more)
	}
	received, duplicates := l.balanced()
	if s := l.pubsub.Stats(); int(received) != s.Acks || received < 5*n || duplicates != received-n || s.Nacks != 0 {
		t.Errorf("ledger: %d received, %d duplicates; %+v", received, duplicates, s)
	}
}

// Nobody may write dead letters for a while. Messages that need one must be
// held, not dropped or nacked, while batches without any go on, and be written
// when the permission is back.
func TestDeadLettersDenied(t *testing.T) {
	l := begin(t, 0)
	l.bigquery.Deny("dead_letters", true)
	l.publish(0, 10, 3, []byte("{"))
	l.until("the bad batch is under way", func() bool { return l.sink.Ready() != nil })
	l.publish(10, 1000, -1, nil)
	l.until("good batches go on", func() bool {
		return l.bigquery.NumRows("events_log") == 999 && l.pubsub.Stats().Unacked <= 10
	})
	if err := l.sink.Ready(); err == nil || !bytes.Contains([]byte(err.Error()), []byte("dead_letters")) {
		t.Errorf("ready: %v", err)
	}
	l.rows(999, 0)
	l.bigquery.Deny("dead_letters", false)
	l.settled()
	l.stop()
	l.rows(999, 1)
	if s := l.pubsub.Stats(); s.Nacks != 0 || s.Redelivered != 0 {
		t.Errorf("%d nacks, %d redelivered", s.Nacks, s.Redelivered)
	}
	l.balanced()
}

func (l *live) until(what string, ok func() bool) {
	l.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.Fatalf("not within a minute: %s", what)
		}
	}
}
