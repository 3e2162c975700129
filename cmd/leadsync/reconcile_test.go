package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"pgregory.net/rapid"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// tamperForScript is the script command "tamper DATABASE STATEMENT…", which
// changes what nobody should.
func tamperForScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: tamper database statement...")
	}
	ts.Check(tamper(context.Background(), ts.MkAbs(args[0]), args[1:]...))
}

func tamper(ctx context.Context, path string, statements ...string) error {
	db, err := duckdb.Open(ctx, duckdb.Config{Path: path})
	if err != nil {
		return err
	}
	_, err = db.Execute(ctx, statements...)
	return errors.Join(err, db.Close())
}

// Windows cover the span without a hole and without overlap, and no more events
// are in one than were asked for unless they share a second. Catches an event
// that is compared twice or never, and memory that nothing bounds.
func TestSpoolWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := newSpool()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		seconds := rapid.SliceOfN(rapid.Int64Range(-4000, 9000), 1, 60).Draw(t, "seconds")
		for i, second := range seconds {
			e := toldEvent{id: [16]byte{byte(i)}, second: second, fact: 1, changes: 2, record: 3, line: 4, kind: 5, file: 6, dims: 7}
			if err := s.add(&e); err != nil {
				t.Fatal(err)
			}
		}
		limit := rapid.Int64Range(1, 20).Draw(t, "limit")
		span := window{slices.Min(seconds) - 5000, slices.Max(seconds) + 1}
		windows, err := s.windows(span, limit)
		if err != nil {
			t.Fatal(err)
		}
		at := span.from
		for _, w := range windows {
			n, first, last := int64(0), int64(0), int64(0)
			if err := s.each(func(e *toldEvent) error {
				if want := (toldEvent{id: e.id, second: seconds[e.id[0]], fact: 1, changes: 2, record: 3, line: 4, kind: 5, file: 6, dims: 7}); *e != want {
					return fmt.Errorf("read back %+v, want %+v", *e, want)
				}
				if e.second >= w.from && e.second < w.to {
					if n++; n == 1 {
						first, last = e.second, e.second
					}
					first, last = min(first, e.second), max(last, e.second)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if w.from != at || w.to <= w.from {
				t.Fatalf("window %v after %d", w, at)
			}
			if n > limit && first != last {
				t.Fatalf("window %v has %d events, want %d at most", w, n, limit)
			}
			at = w.to
		}
		if at != span.to {
			t.Fatalf("windows end at %d, want %d", at, span.to)
		}
	})
}

// An exportedEvent is one of the few that a property draws from.
type exportedEvent struct {
	entity, kind, value string
	second              int64
}

func (e exportedEvent) json() []byte {
	return fmt.Appendf(nil, `{"mid":"1","event_type":%q,"create_time":%d,"extra_data":{"entity_id":%q,"to_leads_status":%q,"to_life_status":%[4]q}}`,
		e.kind, 1780279200+e.second, e.entity, e.value)
}

// Whatever an export and the warehouse have, the differences found are those
// of the two sets, however few events are compared at once. Catches an event
// that is overlooked at the edge of a window, a copy that is counted, and a
// pair that is told as one missing and one extra.
func TestExportComparison(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: duckdb.InMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	one := rapid.Custom(func(t *rapid.T) exportedEvent {
		return exportedEvent{
			entity: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "entity"),
			kind:   rapid.SampledFrom([]string{"object_update_status", "object_update_life_cycle"}).Draw(t, "kind"),
			value:  rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value"),
			second: rapid.SampledFrom([]int64{0, 1, 2, 3599, 3600, 90_000}).Draw(t, "second"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		for _, table := range []string{"events_log", "transitions_log"} {
			if _, err := db.Execute(t.Context(), "DELETE FROM "+table); err != nil {
				rt.Fatal(err)
			}
		}
		exported := rapid.SliceOfN(one, 1, 20).Draw(rt, "exported")
		stored := rapid.SliceOfN(one, 0, 20).Draw(rt, "stored")
		lacking := rapid.MapOf(one, rapid.Just(true)).Draw(rt, "without transitions")
		var rows, all transform.Rows
		transformer := transform.New(transform.Options{})
		for _, e := range stored {
			rows.Reset()
			if _, err := transformer.Transform(&rows, e.json(), transform.Delivery{IngestedAt: time.Now()}); err != nil {
				rt.Fatal(err)
			}
			all.Append(transform.EventsLog, rows.Row(transform.EventsLog, 0))
			for i := range rows.Len(transform.TransitionsLog) {
				if !lacking[e] {
					all.Append(transform.TransitionsLog, rows.Row(transform.TransitionsLog, i))
				}
			}
		}
		if err := db.Write(t.Context(), &all); err != nil {
			rt.Fatal(err)
		}
		found := &comparison{
			export: spooled(rt, exported), lookup: &lookup{warehouse: db, dialect: sinks.DuckDB("UTC")},
			limit: rapid.Int64Range(1, 30).Draw(rt, "limit"), examples: 100,
		}
		defer func() { _ = found.export.spool.Close() }()
		if err := found.compare(t.Context()); err != nil {
			rt.Fatal(err)
		}
		known, want := differencesOf(exported, stored, lacking)
		if found.known != known || found.totals != want {
			rt.Fatalf("%d agree, %v; want %d, %v", found.known, found.totals, known, want)
		}
		for d, counts := range found.counts {
			sum := int64(0)
			for _, n := range counts {
				sum += n
			}
			if sum != want[d] || int64(len(found.shown[d])) != want[d] {
				rt.Fatalf("%s: %d by day and type, %d shown, want %d", differenceNames[d], sum, len(found.shown[d]), want[d])
			}
		}
	})
}

// spooled reads events as an export.
func spooled(t *rapid.T, events []exportedEvent) *export {
	var text []byte
	for _, e := range events {
		text = append(append(text, e.json()...), '\n')
	}
	s, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	x := &export{files: []string{"-"}, stdin: strings.NewReader(string(text)), now: time.Now(), transformer: transform.New(transform.Options{}), spool: s}
	if err := x.read(context.Background()); err != nil {
		t.Fatal(err)
	}
	return x
}

// differencesOf compares two lists of events by counting.
func differencesOf(exported, stored []exportedEvent, lacking map[exportedEvent]bool) (known int64, n [numDifferences]int64) {
	type fact struct {
		entity, kind string
		second       int64
	}
	in := func(list []exportedEvent) map[exportedEvent]bool {
		set := map[exportedEvent]bool{}
		for _, e := range list {
			set[e] = true
		}
		return set
	}
	left, right := in(exported), in(stored)
	missing, extra := map[fact]int64{}, map[fact]int64{}
	first, last := exported[0].second, exported[0].second
	for e := range left {
		first, last = min(first, e.second), max(last, e.second)
		switch {
		case !right[e]:
			missing[fact{e.entity, e.kind, e.second}]++
		case lacking[e]:
			n[incompleteEvent]++
		default:
			known++
		}
	}
	for e := range right {
		if !left[e] && e.second >= first && e.second <= last {
			extra[fact{e.entity, e.kind, e.second}]++
		}
	}
	for f, m := range missing {
		pairs := min(m, extra[f])
		n[differentEvent] += pairs
		n[missingEvent] += m - pairs
	}
	for f, x := range extra {
		n[extraEvent] += x - min(x, missing[f])
	}
	return known, n
}

// inDuckDB has what the statements' GoogleSQL differs in from DuckDB's.
var inDuckDB = []struct{ from, to string }{
	{"`acme\\.jing_leads\\.(\\w+)`", "$1"},
	{`\bTIMESTAMP '`, "TIMESTAMPTZ '"},
	{`CURRENT_TIMESTAMP\(\)`, "now()"},
	{`TIMESTAMP_TRUNC\(([\w.]+), MINUTE\)`, "date_trunc('minute', $1)"},
	{`\bDATE\(([\w.]+)\)`, "CAST(timezone('UTC', $1) AS DATE)"},
	{`UNNEST\(b\.tallies\) AS t`, "UNNEST(b.tallies) AS t_list(t)"},
	{`JSON_VALUE\(([\w.]+), '\$\.leadsync_part'\)`, "json_extract_string($1, '$$.leadsync_part')"},
}

// The comparison of a BigQuery warehouse, whose statements an embedded one
// answers: agreement, a loss, and an export whose missing event is appended to
// the tables. Catches a statement that only one dialect understands, values
// that come in another form, and a healing that goes elsewhere.
func TestReconcileBigQuery(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse to answer the statements")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "w.duckdb")
	event := exportedEvent{entity: "a", kind: "object_update_status", value: "1", second: time.Now().Unix() - 1780279200}
	again := event
	again.value = "2"
	ingest(t, path, [][]byte{event.json(), []byte("{")})
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	server := bqtest.New(t)
	environ := []string{
		"SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme", "BIGQUERY_INSECURE=true",
		"BIGQUERY_ENDPOINT=" + server.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT=" + server.StorageAddr(),
	}
	if status, _, stderr := command(t, environ, "schema", "apply"); status != 0 {
		t.Fatal(stderr)
	}
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		for _, r := range inDuckDB {
			q.SQL = regexp.MustCompile(r.from).ReplaceAllString(q.SQL, r.to)
		}
		return answeredBy(context.Background(), db, q)
	})
	expect := func(wantStatus int, args []string, want ...string) {
		t.Helper()
		status, stdout, stderr := command(t, environ, append([]string{"reconcile"}, args...)...)
		if status != wantStatus {
			t.Errorf("%s: exit status %d, want %d", args, status, wantStatus)
		}
		for _, text := range want {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%s: it does not say %q:\n%s%s", args, text, stdout, stderr)
			}
		}
	}
	expect(0, nil, "of acme.jing_leads, since ", "1: 1 event and 0 copies", "1 in the ledger, 1 stored", "1 day and types agree; nothing disagrees")
	export := filepath.Join(dir, "export.json")
	write := func(e exportedEvent) {
		t.Helper()
		if err := os.WriteFile(export, e.json(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(event)
	expect(0, []string{"--export", export}, "they agree")
	if _, err := db.Execute(t.Context(), "DELETE FROM events_log", "DELETE FROM dead_letters"); err != nil {
		t.Fatal(err)
	}
	expect(4, nil, "LOST", "object_update_status", "1 in the ledger, 0 stored", "2 DISAGREEMENTS")
	write(again)
	expect(4, []string{"--export", export, "--heal"}, "healed: written 1", "missing                1  not in the warehouse")
	if n := server.NumRows("events_log"); n != 1 {
		t.Errorf("%d rows appended to events_log, want 1", n)
	}
	if rows := server.Rows("sync_batches"); len(rows) != 1 || rows[0]["ingest_source"] != "backfill" {
		t.Errorf("the ledger has %v", rows)
	}
}
