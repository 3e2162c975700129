package pipeline

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// BigQuery's library waits 20 s before it ends a connection it has replaced.
		goleak.IgnoreAnyFunction("cloud.google.com/go/bigquery/storage/managedwriter.(*connection).getStream.func1"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		// Pub/Sub's library leaves one behind after Receive has returned.
		goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
	)
}

// start returns a pipeline with what every test sets alike.
func start(cfg Config) *Pipeline {
	cfg.IngestSource, cfg.WorkerID = "pubsub", "w"
	return New(cfg)
}

// source is a Source made of its Run.
type source func(ctx context.Context, submit Submit) error

func (s source) Run(ctx context.Context, submit Submit) error { return s(ctx, submit) }

// recorder is a Settler that counts how often each message was settled, with
// which outcome.
type recorder struct {
	mu      sync.Mutex
	settled map[string][]Outcome
	calls   int
}

func newRecorder() *recorder { return &recorder{settled: map[string][]Outcome{}} }

func (r *recorder) Settle(msgs []*Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	for _, m := range msgs {
		r.settled[m.ID] = append(r.settled[m.ID], m.Outcome)
	}
}

func (r *recorder) count(o Outcome) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, outcomes := range r.settled {
		for _, got := range outcomes {
			if got == o {
				n++
			}
		}
	}
	return n
}

// once reports messages that were not settled exactly once.
func (r *recorder) once(t *testing.T, msgs []*Message) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range msgs {
		if n := len(r.settled[m.ID]); n != 1 {
			t.Errorf("message %s was settled %d times", m.ID, n)
		}
	}
}

// message is a status change of a lead of its own at the test's time.
func message(id int) *Message {
	return &Message{
		ID: fmt.Sprint("m", id),
		Data: fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":`+
			`{"object_name":"lead","entity_id":"lead-%d","from_leads_status":"a","to_leads_status":"b"}}`, time.Now().Unix(), id),
		PublishedAt: time.Now().Add(-time.Second),
	}
}

func messages(n int) []*Message {
	var msgs []*Message
	for i := range n {
		msgs = append(msgs, message(i))
	}
	return msgs
}

// ledger returns the sums of sync_batches and reports a row whose sum is wrong,
// whose tallies tell something else, or that ended before it began.
func ledger(t *testing.T, memory *sinktest.Memory) (received, written, duplicates, dead int64) {
	t.Helper()
	column := func(i int, name string) int64 { return memory.Column(transform.SyncBatches, name)[i].(int64) }
	for i := range memory.Rows(transform.SyncBatches) {
		r, w, du, de, f := column(i, "received"), column(i, "written"), column(i, "duplicates"), column(i, "dead"), column(i, "filtered")
		if r != w+du+de+f {
			t.Errorf("ledger: %d received, %d written, %d duplicates, %d dead, %d filtered", r, w, du, de, f)
		}
		if sums, counts := tallied(t, memory.Column(transform.SyncBatches, "tallies")[i]), [4]int64{w, du, de, f}; sums != counts {
			t.Errorf("ledger: tallies of %v, counts of %v", sums, counts)
		}
		began, ended := memory.Column(transform.SyncBatches, "started_at")[i].(time.Time), memory.Column(transform.SyncBatches, "committed_at")[i].(time.Time)
		if ended.Before(began) {
			t.Errorf("ledger: started at %v, committed at %v", began, ended)
		}
		received, written, duplicates, dead = received+r, written+w, duplicates+du, dead+de
	}
	return
}

// tallied returns the sums of a batch's tallies: written, duplicates, dead,
// filtered. It reports a pair of day and type that comes twice.
func tallied(t *testing.T, tallies any) (sums [4]int64) {
	t.Helper()
	met := map[[2]any]bool{}
	list, _ := tallies.([][]any)
	for _, tally := range list {
		pair := [2]any(tally[:2])
		if met[pair] {
			t.Errorf("ledger: %v is tallied twice", pair)
		}
		met[pair] = true
		for i := range sums {
			sums[i] += tally[2+i].(int64)
		}
	}
	return sums
}
