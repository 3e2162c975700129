package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/sync/pipeline"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

// command runs the program in this process and returns what it printed.
func command(t *testing.T, environ []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = realMain(t.Context(), args, &process{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environ: environ})
	return status, out.String(), errs.String()
}

// deliveries is a source that has a list of payloads to give.
type deliveries [][]byte

func (s deliveries) Run(ctx context.Context, submit pipeline.Submit) error {
	msgs := make([]*pipeline.Message, len(s))
	for i, payload := range s {
		msgs[i] = &pipeline.Message{ID: fmt.Sprint("m", i), Data: payload}
	}
	settled := make(settler, len(msgs))
	if err := submit(ctx, msgs, settled); err != nil {
		return err
	}
	for range msgs {
		select {
		case o := <-settled:
			if !o.Durable() {
				return fmt.Errorf("a message was %s", o)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

type settler chan pipeline.Outcome

func (s settler) Settle(msgs []*pipeline.Message) {
	for _, m := range msgs {
		s <- m.Outcome
	}
}

// ingest carries the payloads through the pipeline into the warehouse, as a
// worker does that knows who was erased.
func ingest(t *testing.T, path string, payloads [][]byte) {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	list, err := db.Erased(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	erased := &transform.Erased{}
	erased.Set(list)
	worker := pipeline.New(pipeline.Config{
		Sink: db, IngestSource: "pubsub", WorkerID: "w", MaxRows: 200, Transform: transform.Options{Erased: erased},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := worker.Run(ctx, deliveries(payloads)); err != nil {
		t.Fatal(err)
	}
}

// ask returns the values of a query on an embedded warehouse's file, row after row.
func ask(t *testing.T, path, sql string) []any {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	return valuesIn(t, db, sql)
}

func valuesIn(t *testing.T, db *duckdb.DB, sql string) (all []any) {
	t.Helper()
	if err := db.Query(t.Context(), sql, func([]string) error { return nil }, func(values []any) error {
		all = append(all, values...)
		return nil
	}); err != nil {
		t.Fatalf("%v\nin: %s", err, sql)
	}
	return all
}

// naming returns in which tables and views one of the texts stands, and how often.
func naming(t *testing.T, path string, texts ...string) map[string]int64 {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	found := map[string]int64{}
	for _, name := range valuesIn(t, db, "SELECT table_name FROM information_schema.tables") {
		condition := strings.Join(texts, "') OR contains(CAST(r AS VARCHAR), '")
		n := valuesIn(t, db, fmt.Sprintf("SELECT COUNT(*) FROM %s AS r WHERE contains(CAST(r AS VARCHAR), '%s')", name, condition))[0].(int64)
		if n > 0 {
			found[name.(string)] = n
		}
	}
	return found
}

// usersOf is the list of a lead's users, whose id $ stands for.
const usersOf = "COALESCE((SELECT LIST(DISTINCT lead_omni_user_uuid) FROM events_log WHERE entity_id = $), [])"

// fingerprint returns a digest of the rows of a table that have nothing to do
// with the lead.
func fingerprint(t *testing.T, path, table, lead string) any {
	about := map[string]string{
		"events_log":      "entity_id IS NOT DISTINCT FROM $ OR target_entity_id IS NOT DISTINCT FROM $ OR entity_id IS NULL AND list_contains(" + usersOf + ", lead_omni_user_uuid)",
		"transitions_log": "event_id IN (SELECT event_id FROM events_log WHERE entity_id = $ OR target_entity_id = $)",
		"dead_letters":    "FALSE",
	}[table]
	return ask(t, path, fmt.Sprintf("SELECT md5(string_agg(CAST(r AS VARCHAR), chr(10) ORDER BY CAST(r AS VARCHAR))) FROM %s AS r WHERE NOT (%s)",
		table, strings.ReplaceAll(about, "$", "'"+lead+"'")))[0]
}

// valuesOf returns a lead's own values: those of its mapping_data that are long
// enough to be nobody else's.
func valuesOf(payloads [][]byte, lead string) (values []string) {
	for _, payload := range payloads {
		var event struct {
			Extra struct {
				ID      string                       `json:"entity_id"`
				Mapping map[string][]json.RawMessage `json:"mapping_data"`
			} `json:"extra_data"`
		}
		if json.Unmarshal(payload, &event) != nil || event.Extra.ID != lead {
			continue
		}
		for _, field := range []string{"mobile", "email"} {
			for _, raw := range event.Extra.Mapping[field] {
				var text string
				if json.Unmarshal(raw, &text) == nil && text != "" {
					values = append(values, text)
				}
			}
		}
	}
	return values
}

// deliveriesAbout counts the payloads that are events about the lead or its user.
func deliveriesAbout(payloads [][]byte, lead, user string) (n int) {
	for _, payload := range payloads {
		var event struct {
			Extra struct {
				Entity string `json:"entity_id"`
				Target string `json:"target_entity_id"`
				User   string `json:"lead_omni_user_uuid"`
			} `json:"extra_data"`
			Time any `json:"create_time"`
		}
		if json.Unmarshal(payload, &event) != nil || event.Time == nil {
			continue
		}
		if x := event.Extra; x.Entity == lead || x.Target == lead || x.Entity == "" && x.User == user {
			n++
		}
	}
	return n
}

// bytesIn returns how often the text stands in the files of the directory.
func bytesIn(t *testing.T, dir, text string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(data, []byte(text))
	}
	return n
}

// poison returns dead letters to be: of the lead and, second, of others.
func poison(lead string) (own, others [][]byte) {
	big := func(id string, size int) []byte { // the id lies across the seam of the first two parts
		payload := append(bytes.Repeat([]byte("x "), size/2-5), ` "`+id+`" `...)
		return append(payload, bytes.Repeat([]byte("y "), size/2)...)
	}
	own = [][]byte{
		[]byte(`{"mid":"1","event_type":"object_update","extra_data":{"entity_id":"` + lead + `"}}`),
		[]byte(`{"mid":"1","extra_data":{"entity_id":"` + lead + `","mobile":`),
		[]byte("\xff\xfe" + lead + "\xff"),
		[]byte(lead),
		big(lead, 4<<20),
	}
	others = [][]byte{
		[]byte(`{"mid":"1","event_type":"object_update","extra_data":{"entity_id":"` + lead[1:] + `"}}`),
		[]byte(`{"mid":"1","extra_data":{"entity_id":"other"`),
		big(lead[1:], 4<<20),
	}
	return own, others
}

// A lead is erased from a warehouse that a tenant has filled. Catches a row
// that is left in any table or view, one of another lead that is gone, a value
// that stands in the file still, numbers that are not what was done, and an
// erased lead that comes back when everything is delivered once more.
func TestErase(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "w.duckdb")
	environ := []string{"SINK=duckdb", "DUCKDB_PATH=" + path}
	var payloads [][]byte
	// On other days some of the tenant's own dead letters are about the lead.
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for d := range simulate.New(simulate.Options{Seed: 5, Events: 800, Now: day}).Deliveries() {
		payloads = append(payloads, d.Payload)
	}
	ingest(t, path, payloads)
	// The lead that an account was associated with, and most else happened to.
	lead := ask(t, path, `SELECT target_entity_id FROM events_log AS link
		WHERE target_entity_id IS NOT NULL AND target_object_name = 'lead'
		ORDER BY (SELECT COUNT(*) FROM events_log AS own WHERE own.entity_id = link.target_entity_id) DESC, 1 LIMIT 1`)[0].(string)
	own, others := poison(lead)
	ingest(t, path, others)
	before := map[string]any{}
	for _, table := range erasedTables {
		before[table.table] = fingerprint(t, path, table.table, lead)
	}
	// Text of this size stands in the file as it is; smaller may be compressed.
	canary := "CANARY-9f2c71d0-" + lead[1:]
	notes := fmt.Appendf(nil, `{"mid":"1","event_type":"object_add_notes","create_time":%d,"extra_data":{"entity_id":"%s","notes":"%s%s"}}`,
		time.Now().Unix(), lead, canary, strings.Repeat("0123456789abcdef", 500))
	ingest(t, path, append(own, notes))
	payloads = append(append(payloads, own...), notes)

	user := ask(t, path, "SELECT lead_omni_user_uuid FROM events_log WHERE event_type = 'add_omni_user_success' AND list_contains("+
		strings.ReplaceAll(usersOf, "$", "'"+lead+"'")+", lead_omni_user_uuid)")[0].(string)
	values := append(valuesOf(payloads, lead), canary, user)
	if bytesIn(t, dir, canary) == 0 || bytesIn(t, dir, lead) == 0 || len(values) < 2 {
		t.Fatal("no value of the lead can be found in the file: this test would not find it afterwards either")
	}
	count := ask(t, path, fmt.Sprintf(`SELECT
		(SELECT COUNT(*) FROM transitions_log WHERE event_id IN (SELECT event_id FROM events_log WHERE entity_id = '%[1]s' OR target_entity_id = '%[1]s')),
		(SELECT COUNT(*) FROM events_log WHERE entity_id = '%[1]s' OR target_entity_id = '%[1]s' OR entity_id IS NULL AND lead_omni_user_uuid = '%[2]s'),
		(SELECT COUNT(*) FROM events_log WHERE target_entity_id = '%[1]s')`, lead, user))
	if count[2] == int64(0) {
		t.Fatal("no event has the lead as its target")
	}
	want := fmt.Sprintf("  transitions_log  %d\n  events_log       %d\n  dead_letters      %d\n", count[0], count[1], len(own)+2)

	status, stdout, stderr := command(t, environ, "erase", "--dry-run", lead)
	if status != 0 || !strings.Contains(stdout, want) || bytesIn(t, dir, lead) == 0 {
		t.Fatalf("dry run: exit status %d\n%s%s", status, stdout, stderr)
	}
	status, stdout, stderr = command(t, environ, "erase", "--yes", lead)
	if status != 0 || !strings.Contains(stdout, want) {
		t.Errorf("exit status %d\n%s%s, want:\n%s", status, stdout, stderr, want)
	}
	clean := func(when string) {
		t.Helper()
		for _, value := range append(values, lead) {
			if n := bytesIn(t, dir, value); n > 0 {
				t.Errorf("%s: a value of the lead stands in the file %d times", when, n)
			}
		}
		if found := naming(t, path, append(values, lead)...); len(found) > 0 {
			t.Errorf("%s: a value of the lead is in %v", when, found)
		}
	}
	clean("erased")
	for _, table := range erasedTables {
		if got := fingerprint(t, path, table.table, lead); got != before[table.table] {
			t.Errorf("rows of others in %s have changed", table.table)
		}
	}

	events := ask(t, path, "SELECT COUNT(*), COUNT(DISTINCT event_id) FROM events_log")
	ingest(t, path, payloads)
	clean("delivered again")
	again := ask(t, path, "SELECT COUNT(DISTINCT event_id), (SELECT COUNT(*) FROM events), (SELECT SUM(filtered) FROM sync_batches) FROM events_log")
	if again[0] != events[1] || again[1] != events[1] {
		t.Errorf("%v events before and %v after everything was delivered again", events, again)
	}
	if filtered := fmt.Sprint(again[2]); filtered != fmt.Sprint(deliveriesAbout(payloads, lead, user)+len(own)) {
		t.Errorf("the ledger has %s messages filtered, want %d events and %d others", filtered, deliveriesAbout(payloads, lead, user), len(own))
	}
	if wrong := ask(t, path, "SELECT COUNT(*) FROM sync_batches WHERE received <> written + duplicates + dead + filtered")[0]; wrong != int64(0) {
		t.Errorf("%d rows of the ledger do not add up", wrong)
	}

	status, stdout, _ = command(t, environ, "erase", "--yes", lead)
	if status != 0 || !strings.HasPrefix(stdout, lead+" was erased at ") || !strings.Contains(stdout, "events_log       0\n") {
		t.Errorf("once more: exit status %d\n%s", status, stdout)
	}
	if n := ask(t, path, "SELECT COUNT(*) FROM erasures")[0]; n != int64(2) {
		t.Errorf("%d tombstones, want the lead's and its user's", n)
	}
}

// The erasures of four leads end, each after another of its statements, and
// everything is delivered again. Catches an erasure that cannot be finished by
// running it again, or that lets the lead come back.
func TestEraseInterrupted(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	path := filepath.Join(t.TempDir(), "w.duckdb")
	environ := []string{"SINK=duckdb", "DUCKDB_PATH=" + path}
	cfg, err := config.Load(config.Input{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	leads := []string{"B3hJubdf4GR3fNhSyx5npA", "C3hJubdf4GR3fNhSyx5npA", "D3hJubdf4GR3fNhSyx5npA", "E3hJubdf4GR3fNhSyx5npA"}
	var payloads [][]byte
	for _, id := range append(leads, "other") {
		event := func(about string) []byte {
			return fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":{%s,"to_leads_status":"b"}}`, time.Now().Unix(), about)
		}
		payloads = append(payloads, event(`"entity_id":"`+id+`"`), event(`"entity_id":"account","target_entity_id":"`+id+`"`), []byte(`{"entity_id":"`+id+`"`))
	}
	ingest(t, path, payloads)
	var statements []string
	for done, id := range leads {
		e := newErasure(cfg, id)
		statements = append(statements, sinks.Statement(e.dialect, "erase_tombstone", e.data))
		for _, table := range erasedTables[:done] {
			statements = append(statements, sinks.Statement(e.dialect, table.statement, e.data))
		}
	}
	// A worker that ended between its tables has left a transition alone.
	statements = append(statements, "DELETE FROM events_log WHERE entity_id = '"+leads[0]+"'")
	w, err := openWritable(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Execute(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ingest(t, path, payloads)
	for _, id := range leads {
		if status, stdout, stderr := command(t, environ, "erase", "--yes", id); status != 0 || !strings.HasPrefix(stdout, id+" was erased at ") {
			t.Fatalf("%s: exit status %d\n%s%s", id, status, stdout, stderr)
		}
		if bytesIn(t, filepath.Dir(path), id) > 0 {
			t.Errorf("%s stands in the file", id)
		}
	}
	if found := naming(t, path, leads...); len(found) > 0 {
		t.Errorf("erased leads are in %v", found)
	}
	got := ask(t, path, `SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM transitions), (SELECT COUNT(DISTINCT dead_letter_id) FROM dead_letters), (SELECT COUNT(*) FROM erasures)`)
	if diff := cmp.Diff([]any{int64(2), int64(2), int64(1), int64(4)}, got); diff != "" {
		t.Errorf("events, transitions, dead letters and tombstones (-want +got):\n%s", diff)
	}
}
