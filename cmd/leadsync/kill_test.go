package main

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
)

// killsOf returns how often a worker is killed: ten times, and with
// LEADSYNC_TEST_LONG=1 a hundred times.
func killsOf() int {
	if os.Getenv("LEADSYNC_TEST_LONG") != "" {
		return 100
	}
	return 10
}

// A worker under load is killed again and again: while it starts, at work and
// while it ends; and ended in order in between. Whatever is acknowledged must
// be in the warehouse after every single end, and when all is done the views
// must show every event exactly once, just as if nothing had happened.
//
// Catches an ack ahead of its write, a database that a kill leaves unusable, a
// start that loses or doubles what the last worker left, a second copy that a
// view shows, and, with an end in order, rows that are durable but whose
// messages would be delivered again.
func TestKillEmbedded(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.duckdb")
	k := newKilled(t, "SINK=duckdb", "DUCKDB_PATH="+path)
	k.stored = func(visit func(stored)) { k.openCopy(path, visit) }
	k.run(t)
	k.agree(path)
}

// TestKillBigQuery does the same over the BigQuery clients, with appends that
// fail now and then: refused, written but refused, cut off.
func TestKillBigQuery(t *testing.T) {
	t.Parallel()
	server := bqtest.New(t)
	k := newKilled(t, "SINK=bigquery", "BIGQUERY_ENDPOINT="+server.RESTURL(),
		"BIGQUERY_STORAGE_ENDPOINT="+server.StorageAddr(), "BIGQUERY_INSECURE=true")
	k.stored = func(visit func(stored)) { visit(server) }
	(&cloud{environ: k.environ}).apply(t)
	faults := rand.New(rand.NewPCG(k.seed, 2))
	server.Fault(func(*bqtest.Append) *bqtest.Fault {
		delay := time.Duration(faults.IntN(20)) * time.Millisecond
		switch n := faults.IntN(100); {
		case n < 4:
			return &bqtest.Fault{Delay: delay, Code: codes.Unavailable, Written: true}
		case n < 8:
			return &bqtest.Fault{Delay: delay, Code: codes.Unavailable, Written: true, Reset: true}
		case n < 12:
			return &bqtest.Fault{Delay: delay, Reset: true}
		default:
			return &bqtest.Fault{Delay: delay}
		}
	})
	k.run(t)
	if duckdb.Available {
		k.agree(k.load(server))
	}
}

// run kills and ends workers until it is enough, then lets one finish.
func (k *killed) run(t *testing.T) {
	stop := k.feed()
	defer stop()
	kills := killsOf()
	for n := range kills + kills/3 {
		if n%4 == 3 {
			k.end(n)
		} else {
			k.kill(n)
		}
		k.check(n)
		if t.Failed() {
			t.FailNow() // what follows says no more
		}
	}
	stop()
	w := k.cloud.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := k.pubsub.Wait(ctx); err != nil {
		t.Fatalf("%v\n%s", err, w.text())
	}
	w.stop(t)
	k.check(-1)
	stats := k.pubsub.Stats()
	t.Logf("%d messages, %d deliveries, %d acknowledgements", stats.Messages, stats.Deliveries, stats.Acks)
	if stats.RedeliveredAcked > 0 {
		t.Errorf("%d deliveries of messages that were acknowledged", stats.RedeliveredAcked)
	}
	k.balanced()
}

// kill starts a worker and kills it at a random moment: before it works, while
// it works, or after it was told to end.
func (k *killed) kill(n int) {
	w := k.cloud.launch(k.t)
	moment := "starting"
	if n%3 != 0 {
		w.await(k.t)
		moment = "working"
		k.sleep(400 * time.Millisecond)
	}
	if n%3 == 2 {
		moment = "ending"
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			k.t.Fatal(err)
		}
	}
	waited := k.sleep(300 * time.Millisecond)
	if err := w.cmd.Process.Kill(); err != nil && moment != "ending" {
		k.t.Fatalf("end %d: the worker was gone before it was killed: %v\n%s", n, err, w.text())
	}
	<-w.closed
	err := w.cmd.Wait()
	k.t.Logf("end %d: killed %s, after %v: %v", n, moment, waited, err)
}

// end starts a worker, ends it in order at a random moment and looks whether
// all that it wrote is acknowledged.
func (k *killed) end(n int) {
	// What a worker sent before it was killed may be written while this one works.
	began := time.Now().Truncate(time.Microsecond)
	w := k.cloud.start(k.t)
	k.sleep(700 * time.Millisecond)
	took := w.stop(k.t)
	if took > 9*time.Second {
		k.t.Errorf("end %d: took %v, the default SHUTDOWN_TIMEOUT is 9s", n, took)
	}
	k.t.Logf("end %d: in order, took %v", n, took)
	if ids := k.unacked(began); len(ids) > 0 {
		k.t.Errorf("end %d: messages %v are durable and were not acknowledged:\n%s", n, slices.Sorted(maps.Keys(ids)), w.text())
	}
}

// sleep waits up to the time at random, and returns how long.
func (k *killed) sleep(most time.Duration) time.Duration {
	d := time.Duration(k.rand.Int64N(int64(most)))
	time.Sleep(d)
	return d
}

// seedOf is what chance depends on: LEADSYNC_TEST_SEED plays a run again, as
// far as the moments go.
func seedOf(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LEADSYNC_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("LEADSYNC_TEST_SEED: %v", err)
		}
	}
	t.Logf("LEADSYNC_TEST_SEED=%d", seed)
	return seed
}
