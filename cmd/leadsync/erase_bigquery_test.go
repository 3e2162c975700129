package main

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
)

// A stand is BigQuery's protocol in front of an embedded warehouse, which
// carries out the statements.
type stand struct {
	db *duckdb.DB

	mu    sync.Mutex
	ran   []string // the first word and table of every statement that was run
	fails string   // one that fails
}

// googleSQL has what the two dialects of the statements differ in.
var googleSQL = []struct {
	from *regexp.Regexp
	to   func(parts []string) string
}{
	{regexp.MustCompile("`acme\\.jing_leads\\.(\\w+)`"), func(p []string) string { return p[1] }},
	{regexp.MustCompile(`\bTIMESTAMP '`), func([]string) string { return "TIMESTAMPTZ '" }},
	{regexp.MustCompile(`CURRENT_TIMESTAMP\(\)`), func([]string) string { return "now()" }},
	{regexp.MustCompile(`JSON_VALUE\(`), func([]string) string { return "json_extract_string(" }},
	{regexp.MustCompile(`REGEXP_CONTAINS`), func([]string) string { return "regexp_matches" }},
	{regexp.MustCompile(`TO_HEX\(SHA256\((\w+)\)\)`), func(p []string) string { return "sha256(" + p[1] + ")" }},
	{regexp.MustCompile(`SAFE_CONVERT_BYTES_TO_STRING\((\w+)\)`), func(p []string) string { return sinks.DuckDB("UTC").Readable(p[1]) }},
	{regexp.MustCompile(`"(?:[^"\\]|\\.)*"`), func(p []string) string {
		text, err := strconv.Unquote(p[0])
		if err != nil {
			return "no literal: " + p[0]
		}
		return sinks.DuckDB("UTC").Text(text)
	}},
}

func (s *stand) answer(q *bqtest.Query) (*bqtest.Result, error) {
	sql := q.SQL
	for _, r := range googleSQL {
		sql = r.from.ReplaceAllStringFunc(sql, func(found string) string { return r.to(r.from.FindStringSubmatch(found)) })
	}
	if strings.HasPrefix(sql, "SELECT") || strings.HasPrefix(sql, "WITH") {
		return answeredBy(context.Background(), s.db, &bqtest.Query{SQL: sql})
	}
	if q.DryRun {
		return &bqtest.Result{}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	words := strings.Fields(sql)
	name := words[0] + " " + words[2]
	if name == s.fails {
		return nil, errors.New("it went wrong")
	}
	counts, err := s.db.Execute(context.Background(), sql)
	if err != nil {
		return nil, err
	}
	s.ran = append(s.ran, name)
	return &bqtest.Result{AffectedRows: counts[0]}, nil
}

// A lead is erased from BigQuery, fails in the middle, and is erased again.
// Catches statements out of order, a tombstone that does not come first or
// comes twice, work that is done before a person knows of it, numbers that are
// not the service's, and a failure that cannot be mended by a second run.
func TestEraseBigQuery(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse to carry out the statements")
	}
	path := filepath.Join(t.TempDir(), "w.duckdb")
	const lead = "B3hJubdf4GR3fNhSyx5npA"
	now := strconv.FormatInt(time.Now().Unix(), 10)
	ingest(t, path, [][]byte{
		[]byte(`{"mid":"1","event_type":"object_update_status","create_time":` + now + `,"extra_data":{"entity_id":"` + lead + `","to_leads_status":"b"}}`),
		[]byte(`{"mid":"1","event_type":"object_update_status","create_time":` + now + `,"extra_data":{"entity_id":"account","target_entity_id":"` + lead + `"}}`),
		[]byte(`{"mid":"1","event_type":"object_update_status","create_time":` + now + `,"extra_data":{"entity_id":"other","to_leads_status":"b"}}`),
		[]byte(`{"entity_id":"` + lead),
	})
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s := &stand{db: db}
	server := bqtest.New(t)
	environ := []string{
		"SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme", "BIGQUERY_INSECURE=true",
		"BIGQUERY_ENDPOINT=" + server.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT=" + server.StorageAddr(),
	}
	if status, _, stderr := command(t, environ, "schema", "apply"); status != 0 {
		t.Fatal(stderr)
	}
	server.OnQuery(s.answer)
	expect := func(args []string, wantStatus int, wantRan string, want ...string) {
		t.Helper()
		s.ran = nil
		status, stdout, stderr := command(t, environ, append([]string{"erase"}, args...)...)
		if got := strings.Join(s.ran, ", "); status != wantStatus || got != wantRan {
			t.Errorf("%s: exit status %d, ran %s, want %s", args, status, got, wantRan)
		}
		for _, text := range want {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%s: it does not say %q:\n%s%s", args, text, stdout, stderr)
			}
		}
	}
	const (
		stone       = "INSERT erasures"
		transitions = "DELETE transitions_log"
		events      = "DELETE events_log"
		letters     = "DELETE dead_letters"
	)
	join := func(names ...string) string { return strings.Join(names, ", ") }
	expect([]string{"--dry-run", lead}, 0, "", "  transitions_log  1\n  events_log       2\n  dead_letters     1\n", "nothing was changed")
	expect([]string{lead}, 1, "", "--yes")
	expect([]string{"--yes", "nobody"}, 1, "", "nothing is stored about nobody")

	s.fails = events
	expect([]string{"--yes", lead}, 1, join(stone, transitions), "  transitions_log  1\n", "statement 3 of 4", "it went wrong", "run it again")
	s.fails = ""
	expect([]string{"--yes", lead}, 0, join(transitions, events, letters), lead+" was erased at ",
		"  transitions_log  0\n  events_log       2\n  dead_letters     1\n",
		"for 7 days more (time travel)", "another 7 (fail-safe)", time.Now().UTC().AddDate(0, 0, 14).Format(time.DateOnly), "within 5 minutes")
	expect([]string{"--yes", lead}, 0, join(transitions, events, letters), "  events_log       0\n")
	expect([]string{"--yes", "--block", "nobody"}, 0, join(stone, transitions, events, letters))
	got := valuesIn(t, db, "SELECT (SELECT COUNT(*) FROM events_log), (SELECT COUNT(*) FROM dead_letters), (SELECT COUNT(*) FROM erasures)")
	if got[0] != int64(1) || got[1] != int64(0) || got[2] != int64(2) {
		t.Errorf("events, dead letters and tombstones: %v", got)
	}
}
