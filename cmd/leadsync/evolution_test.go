package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
)

// command runs the program with settings besides the cloud's, and returns its
// output and exit status.
func (c *cloud) command(t *testing.T, settings []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "leadsync", args...)
	cmd.Env = append(slices.Clone(c.environ), settings...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// with returns the cloud as a process with more settings sees it.
func (c *cloud) with(settings ...string) *cloud {
	other := *c
	other.environ = append(slices.Clone(c.environ), settings...)
	return &other
}

// publishScored sends n events with a field that no column holds.
func (c *cloud) publishScored(from, n int) {
	for i := from; i < from+n; i++ {
		c.pubsub.Publish(testTopic, fmt.Appendf(nil, `{"mid":"1","event_type":"object_update","create_time":%d,"extra_data":`+
			`{"object_name":"lead","entity_id":"lead-%d","lead_score":%d}}`, time.Now().Unix(), i, i), nil)
	}
}

// begin starts a worker of which it is not known whether it comes to pull.
func (c *cloud) begin(t *testing.T) *running {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err := errors.Join(err, free.Close()); err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: exec.Command("leadsync", "run"), addr: "http://127.0.0.1:" + port, closed: make(chan struct{})}
	r.cmd.Env = append(slices.Clone(c.environ), "PORT="+port)
	r.cmd.Stderr = lockedBuffer{r}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(r.closed)
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	eventually(t, "health pages", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		return err == nil && conn.Close() == nil
	})
	return r
}

// lockedBuffer keeps a worker's log.
type lockedBuffer struct{ r *running }

func (b lockedBuffer) Write(p []byte) (int, error) {
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	return b.r.log.Write(p)
}

// A worker of a newer definition starts before its table has the new column,
// while one of the older still runs. Catches a worker that ends, or takes
// messages that it cannot write, or does not say what it waits for, or needs a
// restart once schema apply was run, which the write API learns of late; and
// an older one that the new column disturbs.
func TestRunWaitsForColumn(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	promoted := []string{"PROMOTED_FIELDS=lead_score"}
	older := c.start(t)
	newer := c.with(promoted...).begin(t)
	eventually(t, "the newer worker says what it waits for", func() bool {
		code, body := newer.get(t, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "table events_log: column lead_score is missing") &&
			strings.Contains(body, "leadsync schema apply")
	})
	if code, body := newer.get(t, "/healthz"); code != http.StatusOK {
		t.Errorf("alive: %d %s", code, body)
	}
	c.publishScored(0, 20)
	eventually(t, "the older worker writes", func() bool { return len(c.bigquery.Rows("events_log")) == 20 })
	eventually(t, "messages acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	older.stop(t)

	c.publishScored(20, 20)
	if code, _ := newer.get(t, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("the newer worker is ready: %d", code)
	}
	c.bigquery.Lag("events_log", 2)
	if out, status := c.command(t, promoted, "schema", "apply"); status != 0 || !strings.Contains(out, "table events_log: add column lead_score") {
		t.Fatalf("schema apply: status %d\n%s", status, out)
	}
	eventually(t, "the newer worker writes", func() bool { return len(c.bigquery.Rows("events_log")) == 40 })
	eventually(t, "messages acknowledged", func() bool { _, all := acked(c.pubsub); return all })
	eventually(t, "ready", func() bool { code, _ := newer.get(t, "/readyz"); return code == http.StatusOK })

	older = c.start(t) // it goes on with the altered table, beside the newer one
	c.publishScored(40, 20)
	eventually(t, "both write", func() bool { return len(c.bigquery.Rows("events_log")) == 60 })
	older.stop(t)
	newer.stop(t)
	for i, row := range c.bigquery.Rows("events_log") {
		extra, score := row["extra"], row["lead_score"]
		isNew := score != nil && extra == nil
		isOld := score == nil && extra != nil
		if i < 20 && !isOld || i >= 20 && i < 40 && !isNew || isNew == isOld {
			t.Errorf("row %d: lead_score %v, extra %v", i, score, extra)
		}
	}
	for _, m := range c.pubsub.Messages() {
		if slices.ContainsFunc(m.Modacks, func(mod pstest.Modack) bool { return mod.AckDeadline == 0 }) {
			t.Errorf("message %s was nacked", m.ID)
		}
	}
	log := newer.text()
	for _, want := range []string{`"the worker waits","for":"its tables"`, "column lead_score is missing", `"the worker waits no longer","for":"its tables"`} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log does not say %q once:\n%s", want, log)
		}
	}
}

// Ended while it waits, a worker must end at once, and that is no failure.
func TestRunEndsWhileWaiting(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	w := c.with("PROMOTED_FIELDS=lead_score").begin(t)
	eventually(t, "it waits", func() bool { return strings.Contains(w.text(), `"the worker waits"`) })
	if took := w.stop(t); took > 5*time.Second {
		t.Errorf("ended after %v", took)
	}
}

// recorded notes what a command asks of the server, in order: changes of
// tables, and queries, of which DML changes 7 rows.
func recorded(server *bqtest.Server) func() []string {
	var mu sync.Mutex
	var list []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, s)
	}
	server.FailREST(func(r *http.Request) error {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/jobs") {
			note(r.Method + " " + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		}
		return nil
	})
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		if !q.DryRun {
			note(q.SQL)
		}
		return &bqtest.Result{AffectedRows: 7}, nil
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		taken := list
		list = nil
		return taken
	}
}

// A live table that no additive change mends must be named by every command
// that changes the schema, with exit status 1, and nothing may be changed.
func TestSchemaRefusesOnBigQuery(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	client, err := bq.NewClient(t.Context(), "acme", option.WithEndpoint(c.bigquery.RESTURL()), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	live, err := client.Dataset("jing_leads").Table("events_log").Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := live.Schema
	altered := func(name string, alter func(*bq.FieldSchema)) bq.Schema {
		var list bq.Schema
		for _, f := range all {
			other := *f
			if f.Name == name {
				alter(&other)
			}
			list = append(list, &other)
		}
		return list
	}
	for _, test := range []struct {
		name   string
		schema bq.Schema
		want   string
	}{
		{"type", altered("notes", func(f *bq.FieldSchema) { f.Type = bq.IntegerFieldType }), "column notes: its type is INT64, not STRING"},
		{"repeated", altered("notes", func(f *bq.FieldSchema) { f.Repeated = true }), "column notes: its mode is REPEATED, not NULLABLE"},
		{"not repeated", altered("members", func(f *bq.FieldSchema) { f.Repeated = false }), "column members: its mode is NULLABLE, not REPEATED"},
		{"a column that must be required", all[1:], "add column event_id: it is REQUIRED"},
		{"a required column of somebody else's", append(slices.Clone(all), &bq.FieldSchema{Name: "shop", Type: bq.StringFieldType, Required: true}),
			"drop column shop: it is REQUIRED"},
		{"a promoted column of another type", append(slices.Clone(all), &bq.FieldSchema{Name: "lead_score", Type: bq.IntegerFieldType}),
			"column lead_score: its type is INT64, not STRING"},
	} {
		meta := &bq.TableMetadata{Schema: test.schema, TimePartitioning: live.TimePartitioning, Clustering: live.Clustering, Description: "old"}
		if err := errors.Join(c.bigquery.Drop("events_log"), c.bigquery.CreateTable("acme", "jing_leads", "events_log", meta)); err != nil {
			t.Fatal(err)
		}
		taken := recorded(c.bigquery)
		for _, args := range [][]string{{"schema", "plan"}, {"schema", "apply"}, {"schema", "promote", "lead_score"}} {
			promoted := []string{"PROMOTED_FIELDS=lead_score"}
			out, status := c.command(t, promoted, args...)
			if status != exitFailure || !strings.Contains(out, "events_log") || !strings.Contains(out, test.want) {
				t.Errorf("%s: %s: status %d, want %q\n%s", test.name, args, status, test.want, out)
			}
		}
		if got := taken(); len(got) > 0 {
			t.Errorf("%s: changed %q", test.name, got)
		}
	}
}

// The same for a file of the embedded warehouse.
func TestSchemaRefusesOnDuckDB(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	for _, test := range []struct{ alter, want string }{
		{"ALTER TABLE events_log ALTER COLUMN notes TYPE VARCHAR[] USING NULL", "change column notes"},
		{"ALTER TABLE events_log ADD COLUMN shop VARCHAR; ALTER TABLE events_log ALTER COLUMN shop SET NOT NULL", "column shop"},
		{"ALTER TABLE events_log ADD COLUMN lead_score BIGINT", "change column lead_score"},
	} {
		path := filepath.Join(t.TempDir(), "w.duckdb")
		c := &cloud{environ: []string{"DUCKDB_PATH=" + path, "LOG_FORMAT=text"}}
		if out, status := c.command(t, nil, "schema", "apply"); status != 0 {
			t.Fatalf("schema apply: status %d\n%s", status, out)
		}
		before := byHand(t, path, test.alter+"; DROP VIEW leads")
		for _, args := range [][]string{{"schema", "plan"}, {"schema", "apply"}, {"schema", "promote", "lead_score"}} {
			out, status := c.command(t, []string{"PROMOTED_FIELDS=lead_score"}, args...)
			if status != exitFailure || !strings.Contains(out, "events_log") || !strings.Contains(out, test.want) {
				t.Errorf("%s: %s: status %d, want %q\n%s", test.alter, args, status, test.want, out)
			}
		}
		if after := byHand(t, path, "SELECT 1"); after != before {
			t.Errorf("%s: the file was changed\nfrom %s\nto   %s", test.alter, before, after)
		}
	}
}

// byHand runs a statement on a file, and returns what the file holds then.
func byHand(t *testing.T, path, statement string) (catalog string) {
	t.Helper()
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	row := db.QueryRowContext(t.Context(), `SELECT string_agg(c, ', ' ORDER BY c)
		FROM (SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable) AS c FROM duckdb_columns() WHERE NOT internal)`)
	if err := row.Scan(&catalog); err != nil {
		t.Fatal(err)
	}
	return catalog
}
