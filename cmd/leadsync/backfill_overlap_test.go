package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/sync/pull/pulltest"
)

// live lets the worker write a history as it would have come.
func (h *history) live(t *testing.T, path string) {
	t.Helper()
	const name = "projects/acme/subscriptions/leads"
	server := pulltest.New(t, name)
	for _, payload := range h.payloads {
		server.Publish(pulltest.Message{Data: payload, PublishedAt: published})
	}
	c := &cloud{environ: append(os.Environ(), "SINK=duckdb", "DUCKDB_PATH="+path, "PUBSUB_EMULATOR_HOST="+server.Addr(),
		"PUBSUB_SUBSCRIPTION="+name, "GOOGLE_CLOUD_PROJECT=acme", "PORT=0", "LOG_FORMAT=json", "GORACE=atexit_sleep_ms=0")}
	w := c.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := server.Wait(ctx); err != nil {
		t.Fatalf("%v\n%s", err, w.text())
	}
	w.stop(t)
}

// What the worker wrote is loaded again from files: no view may change, not even
// in what tells how an event came in, since the first copy is shown. The other
// way round they must show the same, now that it is known when events were
// published. Each row of a backfill must be the worker's, byte by byte, but for
// that. Catches an identity, a value or an order that depends on the way in.
func TestBackfillOverlapsLive(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	h := newHistory(t, seedOf(t), 4000)
	dir := t.TempDir()
	path, other := filepath.Join(dir, "live.duckdb"), filepath.Join(dir, "backfill.duckdb")
	backfillInto := func(path string) {
		if status, out := runBackfill(t, append(os.Environ(), "DUCKDB_PATH="+path), h.dir); status != exitDeadLetters {
			t.Fatalf("status %d\n%s", status, out)
		}
	}
	h.live(t, path)
	before := viewsOf(t, path, changing)
	backfillInto(path)
	before.same(t, viewsOf(t, path, changing))
	sameLogs(t, path)

	backfillInto(other)
	h.live(t, other)
	viewsOf(t, path, perCopy).same(t, viewsOf(t, other, perCopy))
}

// sameLogs fails unless the rows that a worker and a backfill have written are
// the same.
func sameLogs(t *testing.T, path string) {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it was only read
	for _, table := range []string{"events_log", "transitions_log"} {
		live := rowsOf(t, db, "FROM "+table+" WHERE ingest_source = 'pubsub'", perPublication)
		files := rowsOf(t, db, "FROM "+table+" WHERE ingest_source = 'backfill'", perPublication)
		if len(live) < 1000 {
			t.Errorf("%s: %d rows to compare", table, len(live))
		}
		for _, rows := range []map[string]int{live, files} {
			for row := range rows {
				rows[row] = 1 // however many copies there are
			}
		}
		sameRows(t, table, live, files)
	}
}

// Three tasks of a job share files of every form and one that is large, at the
// same time; one of them is killed and tried again. Together they must load what
// one process does, each its share. Catches shares that overlap or leave a gap,
// in particular at the edges of ranges of one file, and a task that does
// another's work.
func TestBackfillFleet(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse to compare by")
	}
	t.Parallel()
	h := newHistory(t, seedOf(t), 4000)
	large := newHistory(t, 7, 8000)
	write(t, filepath.Join(h.dir, "large.json"), string(lines(large.payloads)))
	clean := filepath.Join(t.TempDir(), "clean.duckdb")
	if status, out := runBackfill(t, append(os.Environ(), "DUCKDB_PATH="+clean), h.dir); status != exitDeadLetters {
		t.Fatalf("clean run: status %d\n%s", status, out)
	}
	c := newBackfillCloud(t)
	task := func(index string, flags ...string) *backfillRun {
		environ := append(c.environ, "CLOUD_RUN_JOB=backfill", "CLOUD_RUN_TASK_COUNT=3", "CLOUD_RUN_TASK_INDEX="+index)
		return startBackfill(t, environ, append(append([]string{h.dir, "--via=stream"}, smallPieces...), flags...)...)
	}
	first, killed, last := task("0"), task("1", "--rate=2000"), task("2")
	<-killed.started
	time.Sleep(700 * time.Millisecond)
	_ = killed.cmd.Process.Kill() // it may have ended just now
	if status, out := killed.wait(); status != -1 {
		t.Errorf("task 1 was not killed: status %d\n%s", status, out)
	}
	for name, r := range map[string]*backfillRun{"0": first, "1, tried again": task("1"), "2": last} {
		status, out := r.wait()
		if status != exitDeadLetters || bytes.Contains([]byte(out), []byte("= written 0 ")) {
			t.Errorf("task %s: status %d\n%s", name, status, out)
		}
	}
	viewsOf(t, clean, perCopy).same(t, viewsOf(t, c.copied(t), perCopy))
	if rows, records := len(c.server.Rows("events_log")), len(h.payloads)+len(large.payloads); rows > records*5/4 {
		t.Errorf("%d rows of %d records: tasks did each other's work", rows, records)
	}
}
