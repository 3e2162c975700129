package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
)

// Catches a column that is filled before it is there, a fill that a table with
// a partition filter refuses, a dry run that changes something, and a second
// run that adds again.
func TestPromoteOnBigQuery(t *testing.T) {
	t.Parallel()
	c := newCloud(t).with("BIGQUERY_REQUIRE_PARTITION_FILTER=true", "LOG_FORMAT=text")
	c.apply(t)
	taken := recorded(c.bigquery)
	const fill = "UPDATE `acme.jing_leads.events_log`\n" +
		`SET lead_score = NULLIF(JSON_VALUE(extra["extra_data"]["lead score"]), '')` + "\n" +
		`WHERE occurred_at >= TIMESTAMP '0001-01-01 00:00:00+00'` + "\n" +
		"  AND lead_score IS NULL\n" +
		`  AND NULLIF(JSON_VALUE(extra["extra_data"]["lead score"]), '') IS NOT NULL`

	out, status := c.command(t, nil, "schema", "promote", "lead score", "--dry-run")
	if status != 0 || len(taken()) > 0 {
		t.Errorf("dry run: status %d\n%s", status, out)
	}
	alter := strings.Index(out, "ALTER TABLE `acme.jing_leads.events_log` ADD COLUMN IF NOT EXISTS lead_score STRING OPTIONS (")
	view := strings.Index(out, "CREATE OR REPLACE VIEW `acme.jing_leads.events` (")
	if update := strings.Index(out, fill+";\n"); alter < 0 || view < alter || update < view {
		t.Errorf("the statements are not there in order (%d, %d, %d):\n%s", alter, view, update, out)
	}

	out, status = c.command(t, nil, "schema", "promote", "lead score")
	got := slices.Compact(taken()) // a view is replaced, then described
	if want := []string{"PATCH events_log", "PATCH events", fill}; status != 0 || !slices.Equal(got, want) {
		t.Errorf("status %d, asked %q, want %q\n%s", status, got, want, out)
	}
	for _, want := range []string{
		"table events_log: add column lead_score\nview events: replace\ntable events_log: fill column lead_score: 7 rows\n",
		"\nSet PROMOTED_FIELDS=lead score\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	_, status = c.command(t, nil, "schema", "promote", "lead score")
	if got := taken(); status != 0 || !slices.Equal(got, []string{fill}) {
		t.Errorf("the second time: status %d, asked %q", status, got)
	}
	if out, status := c.command(t, []string{"PROMOTED_FIELDS=lead score"}, "schema", "plan"); status != 0 || out != "nothing to change\n" {
		t.Errorf("plan with the setting: status %d\n%s", status, out)
	}
	if out, status := c.command(t, nil, "schema", "plan"); status != 0 || out != "view events: replace\n" {
		t.Errorf("plan without the setting: status %d\n%s", status, out)
	}
}

// A field from being unknown to being a column like any other: counted and
// said, kept in extra, promoted with what was there before, then written
// straight to its column; beside it a worker without the setting. Catches a
// value that is lost at any of these steps.
func TestPromoteEndToEnd(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	c := newCloud(t)
	c.environ = append(c.environ, "SINK=duckdb", "DUCKDB_PATH="+filepath.Join(t.TempDir(), "w.duckdb"))
	run := func(c *cloud, from int, values ...string) *running {
		w := c.start(t)
		for i, v := range values {
			c.pubsub.Publish(testTopic, fmt.Appendf(nil, `{"mid":"1","event_type":"x","openplatform":"June","create_time":%d,`+
				`"extra_data":{"entity_id":"e%02d","foo":%s}}`, time.Now().Unix(), from+i, v), nil)
		}
		eventually(t, "messages acknowledged", func() bool { _, all := acked(c.pubsub); return all })
		return w
	}
	w := run(c, 0, `"text"`, `12`, `1.5`, `true`, `null`, `""`, `{"a":1}`, `[1]`)
	_, metrics := w.get(t, "/metrics")
	for _, want := range []string{
		`leadsync_unknown_fields_total{field="foo",part="extra_data"} 8`,
		`leadsync_unknown_fields_total{field="openplatform",part="envelope"} 8`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	w.stop(t)
	if log := w.text(); strings.Count(log, `"unknown field"`) != 2 || !strings.Contains(log, `"part":"extra_data","field":"foo"`) {
		t.Errorf("the log does not tell of both fields once:\n%s", log)
	}

	if out, status := c.command(t, nil, "schema", "promote", "foo"); status != 0 || !strings.Contains(out, "fill column foo: 4 rows") {
		t.Fatalf("promote: status %d\n%s", status, out)
	}
	newer := c.with("PROMOTED_FIELDS=foo")
	w = run(newer, 10, `"text"`, `12`, `1.5`, `true`, `null`, `""`, `{"a":1}`, `[1]`)
	if _, metrics := w.get(t, "/metrics"); strings.Contains(metrics, `field="foo"`) {
		t.Error("a promoted field counts as unknown")
	}
	w.stop(t)
	run(c, 20, `"older"`).stop(t)
	if out, status := newer.command(t, nil, "schema", "promote", "foo"); status != 0 || !strings.Contains(out, "fill column foo: 1 row\n") {
		t.Errorf("promote again: status %d\n%s", status, out)
	}
	const statement = "SELECT entity_id, foo, json_extract(extra, '/extra_data/foo') AS kept FROM events ORDER BY 1"
	cmd := exec.CommandContext(t.Context(), "leadsync", "query", "--format", "csv", statement)
	cmd.Env = newer.environ
	out, err := cmd.Output()
	const want = `entity_id,foo,kept
e00,text,"""text"""
e01,12,12
e02,1.5,1.5
e03,true,true
e04,,null
e05,,""""""
e06,,"{""a"":1}"
e07,,[1]
e10,text,
e11,12,
e12,1.5,
e13,true,
e14,,
e15,,
e16,,"{""a"":1}"
e17,,[1]
e20,older,"""older"""
`
	if err != nil || !bytes.Equal(out, []byte(want)) {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}
