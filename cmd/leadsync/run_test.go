package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
)

// cloud is a Pub/Sub and a BigQuery that speak the real protocols.
type cloud struct {
	pubsub   *pstest.Server
	bigquery *bqtest.Server
	environ  []string
}

const testTopic = "projects/acme/topics/leads"

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{pubsub: pstest.NewServer(), bigquery: bqtest.New(t)}
	t.Cleanup(func() { _ = c.pubsub.Close() })
	if _, err := c.pubsub.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: testTopic}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.pubsub.GServer.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: "projects/acme/subscriptions/leads", Topic: testTopic, AckDeadlineSeconds: 10,
	}); err != nil {
		t.Fatal(err)
	}
	c.environ = append(os.Environ(),
		"PUBSUB_EMULATOR_HOST="+c.pubsub.Addr, "PUBSUB_SUBSCRIPTION=leads", "GOOGLE_CLOUD_PROJECT=acme",
		"SINK=bigquery", "BIGQUERY_ENDPOINT="+c.bigquery.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT="+c.bigquery.StorageAddr(),
		"GORACE=atexit_sleep_ms=0", // under the race detector a process would sleep a second before it ends
		"BIGQUERY_INSECURE=true", "PORT=0", "LOG_FORMAT=json", "BATCH_MAX_ROWS=20", "BATCH_MAX_DELAY=100ms")
	return c
}

func (c *cloud) apply(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "leadsync", "schema", "apply")
	cmd.Env = c.environ
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("schema apply: %v\n%s", err, out)
	}
}

// publish sends n events, every 50th of which is poison.
func (c *cloud) publish(from, n int) {
	for i := from; i < from+n; i++ {
		payload := fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":{"object_name":"lead",`+
			`"entity_id":"lead-%d","from_leads_status":"a","to_leads_status":"b"}}`, time.Now().Unix(), i)
		if i%50 == 49 {
			payload = payload[:len(payload)-3]
		}
		c.pubsub.Publish(testTopic, payload, nil)
	}
}

// durable returns the message ids that stand in events_log or dead_letters.
func (c *cloud) durable() map[string]bool {
	ids := map[string]bool{}
	for _, table := range []string{"events_log", "dead_letters"} {
		for _, row := range c.bigquery.Rows(table) {
			ids[row["message_id"].(string)] = true
		}
	}
	return ids
}

// running is a worker process.
type running struct {
	cmd     *exec.Cmd
	addr    string // of its health pages
	mu      sync.Mutex
	log     bytes.Buffer
	started chan string   // where it listens, once it has started
	closed  chan struct{} // when its log has ended
}

func (c *cloud) start(t *testing.T) *running {
	t.Helper()
	r := c.launch(t)
	r.await(t)
	return r
}

// launch runs a worker and does not wait until it has started.
func (c *cloud) launch(t *testing.T) *running {
	t.Helper()
	r := &running{cmd: exec.Command("leadsync", "run"), started: make(chan string, 1), closed: make(chan struct{})}
	r.cmd.Env = c.environ
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	go func() {
		defer close(r.closed)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			r.mu.Lock()
			fmt.Fprintln(&r.log, lines.Text())
			r.mu.Unlock()
			var entry struct{ Message, Listen string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Message == "worker started" {
				r.started <- entry.Listen
			}
		}
	}()
	return r
}

// await returns once the worker has started.
func (r *running) await(t *testing.T) {
	t.Helper()
	select {
	case listen := <-r.started:
		_, port, err := net.SplitHostPort(listen)
		if err != nil {
			t.Fatal(err)
		}
		r.addr = "http://127.0.0.1:" + port
	case <-r.closed:
		t.Fatalf("the worker ended:\n%s", r.text())
	case <-time.After(30 * time.Second):
		t.Fatalf("the worker did not start:\n%s", r.text())
	}
}

func (r *running) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// stop ends the worker as a platform does, and returns how long it took.
func (r *running) stop(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.closed
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("the worker ended with %v:\n%s", err, r.text())
	}
	return time.Since(begun)
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// eventually waits for what another process must come to.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

func acked(s *pstest.Server) (ids []string, all bool) {
	all = true
	for _, m := range s.Messages() {
		if m.Acks > 0 {
			ids = append(ids, m.ID)
		} else {
			all = false
		}
	}
	return ids, all
}

// The worker is ended again and again in the middle of its work, as every
// deployment does. Whatever was acknowledged must be in the warehouse, and in
// the end everything must. Catches an ack ahead of its write, a drain that
// loses what it holds or does not end, and a poison message that blocks others.
func TestRunEndedUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	// Appends take a while, so that there is always one under way.
	c.bigquery.Fault(func(*bqtest.Append) *bqtest.Fault { return &bqtest.Fault{Delay: 60 * time.Millisecond} })
	const messages = 400
	c.publish(0, messages)
	for round := range 4 {
		w := c.start(t)
		want := (round + 1) * messages / 5
		eventually(t, "messages acknowledged", func() bool { ids, _ := acked(c.pubsub); return len(ids) >= want })
		if took := w.stop(t); took > 9*time.Second {
			t.Errorf("ended after %v, the default SHUTDOWN_TIMEOUT is 9s", took)
		}
		durable := c.durable()
		ids, _ := acked(c.pubsub)
		for _, id := range ids {
			if !durable[id] {
				t.Errorf("round %d: message %s was acknowledged and is in no table", round, id)
			}
		}
		// What was durable when the worker ended must have been acknowledged:
		// else each deployment would write its last batches twice.
		for id := range durable {
			if m := c.pubsub.Message(id); m != nil && m.Acks == 0 {
				t.Errorf("round %d: message %s is durable and was not acknowledged", round, id)
			}
		}
	}
	// What the server had sent into a stream that was just closing it sends
	// again when the lease has run out; nobody needs to wait for that here.
	c.pubsub.SetTimeNowFunc(func() time.Time { return time.Now().Add(5 * time.Minute) })
	w := c.start(t)
	eventually(t, "every message acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	w.stop(t)
	if n := len(c.durable()); n != messages {
		t.Errorf("%d messages are in the tables, %d were published", n, messages)
	}
	if n := len(c.bigquery.Rows("dead_letters")); n < messages/50 {
		t.Errorf("%d dead letters", n)
	}
	received := int64(0)
	for _, row := range c.bigquery.Rows("sync_batches") {
		received += row["received"].(int64)
		if row["received"] != row["written"].(int64)+row["duplicates"].(int64)+row["dead"].(int64)+row["filtered"].(int64) {
			t.Errorf("ledger does not add up: %v", row)
		}
	}
	if received < messages {
		t.Errorf("the ledger tells of %d messages", received)
	}
}

// While the warehouse is away the worker must say so, hold its messages and go
// on by itself afterwards. Catches nacks that burn delivery attempts, a green
// light over a standstill, and a hold that needs a restart.
func TestRunHoldsWhileWarehouseIsAway(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	w := c.start(t)
	c.publish(0, 20)
	eventually(t, "first messages acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	if code, body := w.get(t, "/readyz"); code != http.StatusOK {
		t.Errorf("ready: %d %s", code, body)
	}

	c.bigquery.Down(true)
	c.publish(100, 40)
	eventually(t, "not ready", func() bool { code, _ := w.get(t, "/readyz"); return code == http.StatusServiceUnavailable })
	if _, body := w.get(t, "/readyz"); !strings.Contains(body, "events_log") {
		t.Errorf("the cause does not name a table: %s", body)
	}
	if code, body := w.get(t, "/healthz"); code != http.StatusOK {
		t.Errorf("alive: %d %s", code, body)
	}
	c.bigquery.Down(false)
	eventually(t, "all messages acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	eventually(t, "ready again", func() bool { code, _ := w.get(t, "/readyz"); return code == http.StatusOK })
	for _, m := range c.pubsub.Messages() {
		for _, mod := range m.Modacks {
			if mod.AckDeadline == 0 {
				t.Errorf("message %s was nacked", m.ID)
			}
		}
	}
	_, metrics := w.get(t, "/metrics")
	for _, want := range []string{
		"leadsync_messages_received_total 60", `leadsync_messages_settled_total{outcome="written"} 60`,
		`leadsync_rows_written_total{table="transitions_log"} 60`, "leadsync_outstanding_messages 0",
		`leadsync_append_retries_total{class="transient",table="events_log"}`, "leadsync_publish_to_durable_seconds_count 60",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	w.stop(t)
}

// Ended while the warehouse is away, the worker must give back what it holds
// and end in time and without an error. Catches a drain that waits for the
// warehouse until the platform kills it.
func TestRunEndsWhileWarehouseIsAway(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	c.environ = append(c.environ, "SHUTDOWN_TIMEOUT=6s")
	w := c.start(t)
	c.bigquery.Down(true)
	c.publish(0, 30)
	eventually(t, "messages taken", func() bool {
		_, metrics := w.get(t, "/metrics")
		return strings.Contains(metrics, "leadsync_outstanding_messages 30")
	})
	if took := w.stop(t); took > 6*time.Second {
		t.Errorf("ended after %v", took)
	}
	for _, m := range c.pubsub.Messages() {
		if m.Acks > 0 {
			t.Errorf("message %s was acknowledged", m.ID)
		}
		if !slices.ContainsFunc(m.Modacks, func(mod pstest.Modack) bool { return mod.AckDeadline == 0 }) {
			t.Errorf("message %s was not given back", m.ID)
		}
	}
}

// The same worker must work on the embedded warehouse with nothing set up, and
// leave a file that can be queried once it has ended.
func TestRunEmbedded(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	c := newCloud(t)
	c.environ = append(c.environ, "SINK=duckdb", "DUCKDB_PATH="+filepath.Join(t.TempDir(), "w.duckdb"))
	c.publish(0, 100)
	w := c.start(t)
	eventually(t, "every message acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	w.stop(t)
	cmd := exec.CommandContext(t.Context(), "leadsync", "query", "--format", "csv",
		"SELECT (SELECT COUNT(*) FROM status_transitions), (SELECT COUNT(*) FROM dead_letters), (SELECT SUM(received) FROM sync_batches)")
	cmd.Env = c.environ
	out, err := cmd.Output()
	if lines := strings.Fields(string(out)); err != nil || len(lines) == 0 || lines[len(lines)-1] != "98,2,100" {
		t.Errorf("%v\n%s", err, out)
	}
}

// A worker must not start on tables that are not there, and must say what
// mends it.
func TestRunRefusesMissingTables(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	cmd := exec.CommandContext(t.Context(), "leadsync", "run")
	cmd.Env = c.environ
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitFailure || !bytes.Contains(out, []byte("leadsync schema apply")) {
		t.Errorf("%v\n%s", err, out)
	}
}
