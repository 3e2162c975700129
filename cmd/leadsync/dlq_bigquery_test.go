package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/config"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// A mirror answers BigQuery's queries by an embedded warehouse, into which it
// copies what was written through the protocol.
type mirror struct {
	stand  *stand
	server *bqtest.Server

	mu     sync.Mutex
	copied [transform.NumTables]int
}

func newMirror(t *testing.T, server *bqtest.Server) *mirror {
	t.Helper()
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse to answer the queries")
	}
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: filepath.Join(t.TempDir(), "mirror.duckdb")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m := &mirror{stand: &stand{db: db}, server: server}
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		if err := m.copy(context.Background()); err != nil {
			return nil, err
		}
		return m.stand.answer(q)
	})
	return m
}

// copy copies the rows that are new.
func (m *mirror) copy(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows transform.Rows
	for _, table := range transform.Tables() {
		if table.ID == transform.SyncBatches { // of no interest here, and nested
			continue
		}
		written := m.server.Rows(table.Name)
		for _, row := range written[m.copied[table.ID]:] {
			values := make([]any, len(table.Columns))
			for i, c := range table.Columns {
				if c.Mode != transform.Repeated {
					values[i] = row[c.Name]
				}
			}
			sinktest.Append(&rows, table.ID, values)
		}
		m.copied[table.ID] = len(written)
	}
	if rows.Total() == 0 {
		return nil
	}
	return m.stand.db.Write(ctx, &rows)
}

// canary is what values of the payloads below are made of: letters and digits
// that stand in no text of the program.
const canary = "жЩΩ٣线"

// poisonOf returns an event of each reason that Pub/Sub can bring in, and one
// that the warehouse below refuses.
func poisonOf(now time.Time) map[transform.Reason]string {
	const mid = `"mid":"` + canary + `"`
	at := fmt.Sprintf(`"create_time":%d`, now.Unix())
	return map[transform.Reason]string{
		transform.JSONInvalid:         `{` + mid + `,"` + canary + `":"` + canary + `",`,
		transform.JSONTooDeep:         `{` + mid + `,"` + canary + `":` + strings.Repeat("[", 100) + `"` + canary + `"` + strings.Repeat("]", 100) + `}`,
		transform.NotAnObject:         `"` + canary + `"`,
		transform.EventTypeMissing:    `{` + mid + `,"` + canary + `":"` + canary + `"}`,
		transform.TenantMissing:       `{"event_type":"` + canary + `","mid":{"` + canary + `":1}}`,
		transform.EventTimeInvalid:    `{` + mid + `,"event_type":"` + canary + `","create_time":"` + canary + `"}`,
		transform.EventTimeOutOfRange: `{` + mid + `,"event_type":"` + canary + `","create_time":"1"}`,
		transform.ExtraDataInvalid:    `{` + mid + `,"event_type":"` + canary + `",` + at + `,"extra_data":"` + canary + `"}`,
		transform.RowRejected:         `{` + mid + `,"event_type":"` + canary + `",` + at + `,"extra_data":{"entity_id":"refused","owner":"` + canary + `"}}`,
	}
}

// A worker meets an event of every reason; the cause of one is mended, and the
// letters are replayed through the real clients. Catches a value that is shown,
// a letter that dies again and is written anew, the warehouse's refusal that is
// not, a letter tried again that should not, rows that are not what they would
// have been, and statements in the other dialect.
func TestDlqBigQuery(t *testing.T) {
	c := newCloud(t)
	newMirror(t, c.bigquery)
	c.apply(t)
	c.bigquery.Refuse("events_log", func(row map[string]any) bool { return row["entity_id"] == "refused" })
	worker := c.start(t)
	poison := poisonOf(time.Now())
	var published string // the message that the warehouse refuses
	for reason, payload := range poison {
		id := c.pubsub.Publish(testTopic, []byte(payload), map[string]string{"sender": canary})
		if reason == transform.RowRejected {
			published = id
		}
	}
	eventually(t, "every event is a dead letter", func() bool { return c.bigquery.NumRows("dead_letters") == len(poison) })
	worker.stop(t)
	letter := c.bigquery.Rows("dead_letters")[0]
	for _, row := range c.bigquery.Rows("dead_letters") {
		if row["message_id"] == published {
			letter = row
		}
	}

	run := func(want int, args ...string) string {
		t.Helper()
		status, stdout, stderr := command(t, c.environ, append([]string{"dlq"}, args...)...)
		if status != want {
			t.Fatalf("dlq %v: exit status %d, want %d\n%s%s", args, status, want, stdout, stderr)
		}
		if i := strings.IndexAny(stdout+stderr, canary); i >= 0 {
			t.Errorf("dlq %v shows a value: …%.80s", args, (stdout + stderr)[max(0, i-20):])
		}
		return stdout
	}
	for _, format := range []string{"table", "csv", "json"} {
		run(0, "list", "--format", format)
		run(0, "list", "--all", "--since", "1h", "--format", format)
	}
	groups := map[transform.Reason]bool{}
	for line := range strings.Lines(run(0, "list", "--format", "json")) {
		var g struct {
			Reason        transform.Reason
			Open, Letters int
			Fragment      string
		}
		if err := json.Unmarshal([]byte(line), &g); err != nil {
			t.Fatal(err)
		}
		if groups[g.Reason] = true; g.Open != 1 || g.Letters != 1 || g.Fragment == "" {
			t.Errorf("group %+v", g)
		}
	}
	if len(groups) != len(poison) {
		t.Errorf("%d groups of %d reasons", len(groups), len(poison))
	}

	proof := run(3, "replay", "--prove")
	if !strings.Contains(proof, "1 of 9 letters would become rows") || c.bigquery.NumRows("dead_letter_replays") != 0 {
		t.Errorf("the proof:\n%s", proof)
	}
	// Nothing is mended yet: what the warehouse refuses is written as it dies, the others are not.
	if out := run(3, "replay"); !strings.Contains(out, "  dead again  9  ") {
		t.Errorf("unmended:\n%s", out)
	}
	if n, m := c.bigquery.NumRows("dead_letters"), c.bigquery.NumRows("dead_letter_replays"); n != len(poison)+1 || m != len(poison) {
		t.Errorf("%d rows of letters and %d of replays", n, m)
	}
	c.bigquery.Refuse("events_log", nil)
	if out := run(3, "replay", "--reason", "row_rejected"); !strings.Contains(out, "skipped  1  died again under this version") {
		t.Errorf("guarded:\n%s", out)
	}
	if out := run(0, "replay", "--reason", "row_rejected", "--again"); !strings.Contains(out, "  written  1\n") {
		t.Errorf("mended:\n%s", out)
	}
	if out := run(0, "replay", "--reason", "row_rejected", "--again"); !strings.Contains(out, "no open dead letters to replay") {
		t.Errorf("a second time:\n%s", out)
	}
	rows := c.bigquery.Rows("events_log")
	if len(rows) != 1 {
		t.Fatalf("%d rows in events_log", len(rows))
	}
	at := letter["published_at"].(time.Time)
	if diff := cmp.Diff([]any{published, at, "replay", fmt.Sprintf("%016x", at.UnixMicro())}, []any{
		rows[0]["message_id"], rows[0]["published_at"], rows[0]["ingest_source"], strings.Split(rows[0]["sequence"].(string), "/")[2],
	}); diff != "" {
		t.Errorf("the row (-want +got):\n%s", diff)
	}
	id := letter["dead_letter_id"].(string)
	status, stdout, stderr := command(t, c.environ, "dlq", "inspect", id[:12])
	if status != 0 || !strings.Contains(stdout, ", mended; ") || !strings.Contains(stdout, "written") || !strings.Contains(stdout, "row_rejected") {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
	if _, stdout, _ := command(t, c.environ, "dlq", "inspect", id, "--payload"); stdout != poison[transform.RowRejected] {
		t.Errorf("the payload: %q", stdout)
	}
}

// replaying starts a replay in a process of its own.
func replaying(t *testing.T, environ []string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd = exec.Command("leadsync", "dlq", "replay")
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// A replay is killed when a part of its rows is written, several times, and
// finished by another. Catches a letter that is lost between two runs, and one
// that is called mended before its rows are durable.
func TestDlqKilledBigQuery(t *testing.T) {
	c := newCloud(t)
	m := newMirror(t, c.bigquery)
	c.apply(t)
	const letters = 1700 // several at once, and more than one page of what is dealt with at once
	c.bury(t, letters)
	c.bigquery.Fault(func(*bqtest.Append) *bqtest.Fault { return &bqtest.Fault{Delay: 50 * time.Millisecond} })
	// Right after rows of events, and right after they are recorded.
	for kill, table := range []string{"events_log", "dead_letter_replays", "transitions_log"} {
		before := c.bigquery.NumRows(table)
		cmd, _ := replaying(t, c.environ)
		eventually(t, "rows are written to "+table, func() bool { return c.bigquery.NumRows(table) > before })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if done := c.bigquery.NumRows("dead_letter_replays"); done >= letters || kill > 0 && done == 0 {
			t.Errorf("%d letters are recorded at kill %d: it came at the wrong time", done, kill)
		}
	}
	c.bigquery.Fault(nil)
	cmd, out := replaying(t, c.environ)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	events, replays := map[any]bool{}, map[any]bool{}
	for _, row := range c.bigquery.Rows("events_log") {
		events[row["event_id"]] = true
	}
	for _, row := range c.bigquery.Rows("dead_letter_replays") {
		replays[row["event_id"]] = true
	}
	if len(events) != letters || len(replays) != letters {
		t.Errorf("%d events and %d mended letters of %d", len(events), len(replays), letters)
	}
	if err := m.copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if open := valuesIn(t, m.stand.db, "SELECT COUNT(*) FROM dead_letter_status WHERE is_open")[0]; open != int64(0) {
		t.Errorf("%d letters are open", open)
	}
}

// bury writes letters of events that the warehouse refused, as a worker has.
func (c *cloud) bury(t *testing.T, letters int) {
	t.Helper()
	cfg, err := config.Load(config.Input{Environ: c.environ})
	if err != nil {
		t.Fatal(err)
	}
	sink, err := openSink(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := sink.Write(t.Context(), refusedLetters(letters)); err != nil {
		t.Fatal(err)
	}
}

// refusedLetters are letters of events that the warehouse refused.
func refusedLetters(n int) *transform.Rows {
	var rows transform.Rows
	now := time.Now()
	for i := range n {
		rows.AppendDeadLetter(transform.DeadLetter{
			Rejection: &transform.Rejection{Reason: transform.RowRejected, Stage: transform.StageWrite, Cause: "a row of events_log was refused: FIELDS_ERROR"},
			Payload: fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":{"object_name":"lead",`+
				`"entity_id":"lead-%d","from_leads_status":"a","to_leads_status":"b"}}`, now.Unix(), i),
			MessageID: fmt.Sprint(i), PublishedAt: now, DeadAt: now.Add(time.Duration(i%7) * time.Second).Add(-time.Hour), WorkerVersion: "v1",
		})
	}
	return &rows
}
