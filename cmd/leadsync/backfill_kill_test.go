package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// A backfillRun is leadsync backfill as a process of its own.
type backfillRun struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     bytes.Buffer  // both streams; to be read once it has ended
	started chan struct{} // closed when it has opened everything, and when it has ended
	ended   chan struct{}
}

func startBackfill(t *testing.T, environ []string, args ...string) *backfillRun {
	t.Helper()
	r := &backfillRun{t: t, cmd: exec.Command("leadsync", append([]string{"backfill"}, args...)...), started: make(chan struct{}), ended: make(chan struct{})}
	r.cmd.Env = environ
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = in, in
	err = r.cmd.Start()
	_ = in.Close() // the process has its own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() }) // it has ended unless the test failed
	go func() {
		defer close(r.ended)
		started := sync.OnceFunc(func() { close(r.started) })
		defer started()
		defer func() { _ = out.Close() }()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&r.out, lines.Text())
			if strings.Contains(lines.Text(), "backfill started") {
				started()
			}
		}
	}()
	return r
}

// wait returns the exit status, -1 for a process that was killed.
func (r *backfillRun) wait() (status int, out string) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(2 * time.Minute):
		_ = r.cmd.Process.Kill()
		<-r.ended
		r.t.Fatalf("not ended within two minutes:\n%s", &r.out)
	}
	if err := r.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		r.t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode(), r.out.String()
}

func runBackfill(t *testing.T, environ []string, args ...string) (status int, out string) {
	t.Helper()
	return startBackfill(t, environ, args...).wait()
}

// backfillKills is how often a backfill into BigQuery is killed: ten times, and
// with LEADSYNC_TEST_LONG=1 fifty times.
func backfillKills() int {
	if os.Getenv("LEADSYNC_TEST_LONG") != "" {
		return embeddedKills
	}
	return 10
}

// embeddedKills is how often one into the embedded warehouse is, unless the
// race detector slows everything down.
const embeddedKills = 50

// killBackfill runs a backfill that is killed at random moments, so many times,
// and then once until it ends. It is held back so that most of the kills hit it
// at work.
func killBackfill(t *testing.T, environ []string, kills int, h *history, args ...string) {
	t.Helper()
	chance := rand.New(rand.NewPCG(seedOf(t), 3))
	alive := 800 * time.Millisecond // at most, once it has started
	if raceDetector {
		alive *= 4
	}
	rate := 3 * float64(len(h.payloads)) / (float64(kills) * alive.Seconds())
	held := append([]string{"--rate", fmt.Sprintf("%.0f", rate), h.dir}, args...)
	killed := 0
	for n := range kills {
		r := startBackfill(t, environ, held...)
		if n%5 != 0 {
			<-r.started
		}
		time.Sleep(time.Duration(chance.Int64N(int64(alive))))
		_ = r.cmd.Process.Kill() // it may have ended just now
		switch status, out := r.wait(); status {
		case -1:
			killed++
		case 0, exitDeadLetters:
		default:
			t.Fatalf("run %d: status %d\n%s", n, status, out)
		}
	}
	all := append([]string{h.dir}, args...)
	status, out := runBackfill(t, environ, all...)
	t.Logf("killed %d times of %d; the last run:\n%s", killed, kills, out)
	if status != exitDeadLetters && status != 0 {
		t.Fatalf("status %d", status)
	}
	if !strings.Contains(out, "already there") && !raceDetector { // under which a run may be too slow to get anything done
		t.Error("the last run found nothing done")
	}
	if killed < kills/3 {
		t.Errorf("%d kills of %d hit anything", killed, kills)
	}
	if status, out = runBackfill(t, environ, all...); status != 0 || !strings.Contains(out, "records        0 = ") {
		t.Errorf("once more: status %d, and there was something left:\n%s", status, out)
	}
}

// smallPieces make a few megabytes as many pieces as a history has.
var smallPieces = []string{"--piece-size=64KiB", "--part-size=256KiB"}

// A backfill over files of every form is killed again and again. In the end the
// views must show exactly what they show after one clean run, and the ledger agree
// with the tables. Catches a
// checkpoint ahead of its rows, one that claims more than was read, records lost
// or told twice at the edges of pieces and ranges, and a database that a kill
// leaves unusable.
func TestBackfillKilledEmbedded(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	h := newHistory(t, seedOf(t), 20_000)
	dir := t.TempDir()
	clean, path := filepath.Join(dir, "clean.duckdb"), filepath.Join(dir, "killed.duckdb")
	environ := append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if status, out := runBackfill(t, append(environ, "DUCKDB_PATH="+clean), h.dir); status != exitDeadLetters {
		t.Fatalf("clean run: status %d\n%s", status, out)
	}
	kills := embeddedKills
	if raceDetector {
		kills = backfillKills()
	}
	killBackfill(t, append(environ, "DUCKDB_PATH="+path), kills, h, smallPieces...)
	viewsOf(t, clean, perCopy).same(t, viewsOf(t, path, perCopy))
	reconciled(t, path)
}

// The same over BigQuery's streams and over its load jobs. Catches besides: a
// part whose rows count before, or never after, its checkpoints; a stream or a
// job that is begun again and doubles or loses a table's rows.
func TestBackfillKilledBigQuery(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse to compare by")
	}
	for _, via := range []string{"stream", "load"} {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			h := newHistory(t, seed, 5000)
			for n := range backfillKills()/10 - 1 {
				h.join(t, newHistory(t, seed+uint64(n)+1, 5000))
			}
			clean := filepath.Join(t.TempDir(), "clean.duckdb")
			if status, out := runBackfill(t, append(os.Environ(), "DUCKDB_PATH="+clean), h.dir); status != exitDeadLetters {
				t.Fatalf("clean run: status %d\n%s", status, out)
			}
			c := newBackfillCloud(t)
			killBackfill(t, c.environ, backfillKills(), h, append(smallPieces, "--via="+via)...)
			path := c.copied(t)
			viewsOf(t, clean, perCopy).same(t, viewsOf(t, path, perCopy))
			reconciled(t, path)
		})
	}
}

// Interrupted, a backfill must write what is on its way, say how to go on, and
// fail, so that a platform runs it again; that run must find what was done.
// Catches an end that waits for all files, and one that loses its checkpoints.
func TestBackfillInterrupted(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	h := newHistory(t, 1, 4000)
	environ := append(os.Environ(), "DUCKDB_PATH="+filepath.Join(t.TempDir(), "w.duckdb"))
	r := startBackfill(t, environ, append(smallPieces, "--rate=1500", h.dir)...)
	<-r.started
	time.Sleep(time.Second)
	begun := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	status, out := r.wait()
	if took := time.Since(begun); status != exitFailure || took > 9*time.Second || !strings.Contains(out, "; interrupted") ||
		!strings.Contains(out, "interrupted: what is done is kept, and the same command goes on from there") {
		t.Errorf("status %d after %v:\n%s", status, took, out)
	}
	status, out = runBackfill(t, environ, append(smallPieces, h.dir)...)
	if status != exitDeadLetters || !strings.Contains(out, "already there") {
		t.Errorf("again: status %d\n%s", status, out)
	}
}

// A backfillCloud is a BigQuery that answers the queries for checkpoints, and a
// Cloud Storage.
type backfillCloud struct {
	*mirror
	environ []string
}

func newBackfillCloud(t *testing.T) *backfillCloud {
	t.Helper()
	server := bqtest.New(t)
	storage := newStorage(t)
	server.Storage(storage.URL())
	c := &backfillCloud{mirror: newMirror(t, server)}
	c.environ = append(os.Environ(), "SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme", "GORACE=atexit_sleep_ms=0",
		"BIGQUERY_ENDPOINT="+server.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT="+server.StorageAddr(), "BIGQUERY_INSECURE=true",
		reach(storage), "BACKFILL_STAGING=gs://staging/backfill")
	(&cloud{environ: c.environ}).apply(t)
	return c
}

// copied returns the path of an embedded warehouse with the rows that BigQuery
// has.
func (c *backfillCloud) copied(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copied.duckdb")
	var rows transform.Rows
	for _, table := range transform.Tables() {
		for _, row := range c.server.Rows(table.Name) {
			sinktest.Append(&rows, table.ID, inColumns(table.Columns, row))
		}
	}
	(&killed{t: t}).write(path, &rows)
	return path
}

// reconciled fails unless the ledger agrees with the tables.
func reconciled(t *testing.T, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "leadsync", "reconcile", "--all")
	cmd.Env = append(os.Environ(), "DUCKDB_PATH="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("reconcile: %v\n%s", err, out)
	}
}

// newStorage returns a Cloud Storage with a bucket for staging.
func newStorage(t *testing.T) *fakestorage.Server {
	t.Helper()
	var storage *fakestorage.Server
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/storage/v1/") {
			r.Host = "storage.googleapis.com" // which makes of it a read by bucket and key
		}
		storage.HTTPHandler().ServeHTTP(w, r)
	}))
	storage, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, ExternalURL: "http://" + front.Listener.Addr().String(), Writer: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	front.Start()
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		storage.Stop()
	})
	storage.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "staging"})
	return storage
}

// reach returns the variable by which the program finds a Cloud Storage.
func reach(storage *fakestorage.Server) string {
	return "STORAGE_EMULATOR_HOST=" + strings.TrimPrefix(storage.URL(), "http://")
}
