package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"leadsync/config"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// A delivery is a batch of messages as a worker would have written it, or a
// tombstone: the data of the tests' warehouses.
type delivery struct {
	Batch     string    // its id
	Opened    time.Time // its rows are made a millisecond apart from then on
	Committed time.Time
	Messages  []struct {
		ID      string          // "" for a backfill's
		Event   json.RawMessage // or else
		Payload string
		Refused string            // the code with which the warehouse refused a row of it
		With    map[string]string // its attributes
	}
	Erased string // an entity_id
}

// deliver writes the deliveries, one a line, to the database of that path.
func deliver(ctx context.Context, path string, deliveries io.Reader) (err error) {
	db, err := duckdb.Open(ctx, duckdb.Config{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	lines := bufio.NewScanner(deliveries)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var d delivery
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			return fmt.Errorf("read delivery: %w", err)
		}
		if d.Erased != "" {
			_, err = db.Execute(ctx, fmt.Sprintf("INSERT INTO erasures VALUES ('%s', TIMESTAMPTZ '%s', 'v1')",
				transform.DigestEntity(d.Erased), d.Committed.Format(time.RFC3339)))
		} else {
			err = db.Write(ctx, d.rows())
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// rows are those of a batch's messages and its own.
func (d *delivery) rows() *transform.Rows {
	rows, transformer := &transform.Rows{}, transform.New(transform.Options{})
	b := transform.Batch{
		ID: d.Batch, WorkerID: "worker-1", WorkerVersion: "v1", Source: "pubsub", Received: len(d.Messages),
		StartedAt: d.Opened, CommittedAt: d.Committed,
	}
	for i, m := range d.Messages {
		at := d.Opened.Add(time.Duration(i) * time.Millisecond)
		how := transform.Delivery{MessageID: m.ID, PublishedAt: at.Add(-time.Second), IngestedAt: at, Source: "pubsub"}
		payload := append([]byte(m.Payload), m.Event...)
		before := rows.Mark()
		e, err := transformer.Transform(rows, payload, how)
		var rejection *transform.Rejection
		if m.Refused != "" {
			rows.Cut(before)
			err = &transform.Rejection{Reason: transform.RowRejected, Stage: transform.StageWrite, Cause: "a row of events_log was refused: " + m.Refused}
		}
		if errors.As(err, &rejection) {
			b.Dead++
			rows.AppendDeadLetter(transform.DeadLetter{
				Rejection: rejection, Payload: payload, Attributes: m.With, MessageID: m.ID, PublishedAt: how.PublishedAt, DeadAt: at, Attempts: 3, WorkerVersion: "v1",
			})
			continue
		}
		b.Written++
		if b.MinOccurredAt.IsZero() || e.OccurredAt.Before(b.MinOccurredAt) {
			b.MinOccurredAt = e.OccurredAt
		}
		if e.OccurredAt.After(b.MaxOccurredAt) {
			b.MaxOccurredAt = e.OccurredAt
		}
	}
	rows.AppendBatch(b)
	return rows
}

// deliverForScript is the script command "deliver DATABASE FILE".
func deliverForScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: deliver database file")
	}
	ts.Check(deliver(context.Background(), ts.MkAbs(args[0]), strings.NewReader(ts.ReadFile(args[1]))))
}

// explainArchive returns a file of the script of explain.
func explainArchive(t *testing.T, name string) []byte {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/explain.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	t.Fatalf("no file %s in the archive", name)
	return nil
}

// translated is a statement in GoogleSQL as DuckDB understands it. The
// statements differ in little, on purpose.
func translated(sql string) string {
	for _, r := range []struct{ from, to string }{
		{"`acme\\.jing_leads\\.(\\w+)`", "$1"},
		{`\bTIMESTAMP '`, "TIMESTAMPTZ '"},
		{`SAFE_CONVERT_BYTES_TO_STRING\((\w+)\)`, "CAST($1 AS VARCHAR)"},
		{`"([^"]*)"`, "'$1'"},
	} {
		sql = regexp.MustCompile(r.from).ReplaceAllString(sql, r.to)
	}
	return sql
}

// answeredBy runs a query of BigQuery's client on DuckDB.
func answeredBy(ctx context.Context, db *duckdb.DB, q *bqtest.Query) (*bqtest.Result, error) {
	out := &bqtest.Result{}
	err := db.Query(ctx, translated(q.SQL), func(names []string) error {
		for i, name := range names {
			if strings.Contains(name, "(") { // BigQuery's name for what has none
				name = fmt.Sprintf("f%d_", i)
			}
			out.Schema = append(out.Schema, &bq.FieldSchema{Name: name, Type: bq.StringFieldType, Repeated: name == "members"})
		}
		return nil
	}, func(values []any) error {
		row := append([]any(nil), values...)
		for i, v := range row {
			f := out.Schema[i]
			switch v.(type) {
			case int64:
				f.Type = bq.IntegerFieldType
			case bool:
				f.Type = bq.BooleanFieldType
			case time.Time:
				f.Type = bq.TimestampFieldType
			case []byte:
				f.Type = bq.BytesFieldType
			case nil:
				if f.Repeated {
					row[i] = []any{}
				}
			}
			if c := transform.EventsLog.Table().Column(f.Name); c != nil && c.Type == transform.JSON {
				f.Type = bq.JSONFieldType
			}
		}
		out.Rows = append(out.Rows, row)
		return nil
	})
	return out, err
}

// Explains over BigQuery's real client what the script explains over DuckDB.
// Catches a value that comes in another form, and a statement in the other
// dialect.
func TestExplainBigQuery(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse to answer the queries")
	}
	path := t.TempDir() + "/test.duckdb"
	if err := deliver(t.Context(), path, bytes.NewReader(explainArchive(t, "deliveries"))); err != nil {
		t.Fatal(err)
	}
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	server, err := bqtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	asked := 0
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		asked++
		return answeredBy(t.Context(), db, q)
	})
	environ := []string{
		"SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme", "BIGQUERY_INSECURE=true",
		"BIGQUERY_ENDPOINT=" + server.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT=" + server.StorageAddr(),
	}
	var stderr bytes.Buffer
	if status := realMain(t.Context(), []string{"schema", "apply"}, &process{stdout: io.Discard, stderr: &stderr, environ: environ}); status != 0 {
		t.Fatalf("schema apply: exit status %d\n%s", status, &stderr)
	}
	for _, tt := range []struct {
		args, want string
		status     int
	}{
		{"explain e9vMaiGWybEQ3Nc9xGgwV4", "lead", 0},
		{"explain --format json e9vMaiGWybEQ3Nc9xGgwV4", "lead.json", 0},
		{"explain m9", "event", 0},
		{"explain nowhere", "nothing", 1},
	} {
		asked = 0
		var stdout, stderr bytes.Buffer
		p := &process{stdout: &stdout, stderr: &stderr, environ: environ}
		if status := realMain(t.Context(), strings.Fields(tt.args), p); status != tt.status {
			t.Fatalf("%s: exit status %d\n%s", tt.args, status, &stderr)
		}
		if diff := cmp.Diff(string(explainArchive(t, tt.want)), stdout.String()); diff != "" {
			t.Errorf("%s (-DuckDB +BigQuery):\n%s", tt.args, diff)
		}
		if asked > 2*10 { // each is tried dry first
			t.Errorf("%s: %d queries", tt.args, asked)
		}
	}
}

// Catches a page of the documentation that shows what is not printed any more.
func TestExplainDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := txtar.ParseFile("testdata/explain_file.txtar")
	if err != nil {
		t.Fatal(err)
	}
	printed := slices.Concat(txtar.Format(archive), explainArchive(t, "lead"), explainArchive(t, "dead"))
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```text\n(.*?)```").FindAllSubmatch(page, -1) {
		for part := range bytes.SplitSeq(bytes.TrimSpace(block[1]), []byte("\n\n")) {
			shown++
			if !bytes.Contains(printed, part) {
				t.Errorf("nothing prints this any more:\n%s", part)
			}
		}
	}
	if shown < 8 {
		t.Errorf("the page shows %d parts of what is printed", shown)
	}
}

// Catches a warehouse without tables whose error does not say what to do.
func TestExplainWithoutTables(t *testing.T) {
	cfg, err := config.Load(config.Input{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := openEmpty(t.Context(), cfg)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = w.Close() }()
	l := &lookup{warehouse: w, dialect: dialectOf(cfg), zone: time.UTC, limit: 1}
	_, err = l.stories(t.Context(), "x")
	if err == nil {
		t.Fatal("no error")
	}
	want := "the warehouse lacks table events_log: run leadsync schema apply first"
	if got := l.explained(t.Context(), err).Error(); got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

// Catches a transition that is said to be repeated or ended by another than
// the event that did it.
func TestExplainLinks(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	v := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	tr := func(event string, second int, from, to, previous string, repeat bool, exited int) toldTransition {
		out := toldTransition{Dimension: "owner", From: v(from), To: v(to), PreviousTo: v(previous), IsRepeat: repeat, event: event, occurredAt: at(second)}
		if exited > 0 {
			end := at(exited)
			out.ExitedAt = &end
		}
		return out
	}
	all := []toldTransition{
		tr("a", 1, "", "x", "", false, 3),
		tr("b", 1, "", "x", "x", true, 0),
		tr("d", 3, "z", "w", "z", false, 5), // in one second: x, z, w
		tr("c", 3, "y", "z", "x", false, 3),
		tr("e", 5, "q", "x", "w", false, 0),
		tr("f", 6, "q", "x", "x", true, 0),
	}
	want := []string{"a  c", "b a ", "d  e", "c  d", "e  ", "f e "}
	for i := range all {
		if got := all[i].event + " " + repeatOf(all, i) + " " + exitedBy(all, i); got != want[i] {
			t.Errorf("transition %d: %q, want %q", i, got, want[i])
		}
	}
}

// Catches a batch that cannot have brought a copy and is said to be one of
// those that may.
func TestMayHold(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0).UTC() }
	ingested := at(100)
	d := &delivered{IngestSource: "pubsub", IngestedAt: &ingested}
	for _, tt := range []struct {
		source                         string
		opened, committed, first, last int64
		want                           bool
	}{
		{"pubsub", 100, 100, 50, 50, true},
		{"push", 100, 100, 50, 50, false},
		{"pubsub", 101, 102, 50, 50, false},
		{"pubsub", 98, 99, 50, 50, false},
		{"pubsub", 100, 100, 51, 52, false},
		{"pubsub", 100, 100, 48, 49, false},
	} {
		r := record{
			"ingest_source": tt.source, "started_at": at(tt.opened), "committed_at": at(tt.committed),
			"min_occurred_at": at(tt.first), "max_occurred_at": at(tt.last),
		}
		if got := mayHold(r, d, at(50)); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

// Catches an endless stream of events that is explained without a bound, and
// one that a person has interrupted and goes on.
func TestExplainFileBounded(t *testing.T) {
	var stdout, stderr bytes.Buffer
	p := &process{stdin: strings.NewReader(strings.Repeat(sampleEvent+"\n", 7)), stdout: &stdout, stderr: &stderr}
	if status := realMain(t.Context(), strings.Fields("explain --file - --limit 2 --format json"), p); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if n := strings.Count(stdout.String(), "\n"); n != 2 || !strings.Contains(stderr.String(), "5 more events are left out") {
		t.Errorf("%d events, %q", n, &stderr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p = &process{stdin: strings.NewReader(sampleEvent), stdout: io.Discard, stderr: &stderr}
	stderr.Reset()
	if status := realMain(ctx, strings.Fields("explain --file -"), p); status != 1 || !strings.Contains(stderr.String(), "stopped after record 0") {
		t.Errorf("interrupted: exit status %d, %q", status, &stderr)
	}
}
