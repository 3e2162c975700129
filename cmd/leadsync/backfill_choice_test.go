package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/config"
	"leadsync/sync/backfill"
	"leadsync/sync/files"
	"leadsync/transform"
)

// Days are days of the zone, --until takes its day in and a time not. Catches a
// day that is cut off at its end, or a range that shifts by the zone.
func TestBackfillSelection(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		c    backfillCommand
		want string
	}{
		{backfillCommand{}, ""},
		{backfillCommand{Since: "2026-06-01", Until: "2026-06-01"}, `{"since":"2026-05-31T16:00:00Z","until":"2026-06-01T16:00:00Z"}`},
		{backfillCommand{Since: "2026-06-01 08:00", Until: "2026-06-01T00:00:01Z"}, `{"since":"2026-06-01T00:00:00Z","until":"2026-06-01T00:00:01Z"}`},
		{backfillCommand{EventType: []string{"b", "a", "b"}, Tenant: []string{"1"}}, `{"event_types":["a","b"],"tenants":["1"]}`},
	}
	for _, test := range tests {
		s, err := test.c.selection(zone)
		if got := s.String(); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v; want %q", test.c, got, err, test.want)
		}
	}
	for _, c := range []backfillCommand{
		{Since: "7d"}, {Until: "yesterday"}, {Oldest: "2001"}, {Since: "2026-06-02", Until: "2026-06-01"}, {Rate: -1},
		{Tenant: []string{""}}, {Oldest: "2001-01-01", Via: "stream"}, {DryRun: true, Plan: true},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%+v: taken", c)
		}
	}
}

// The way into the warehouse follows from the settings, what is asked for and
// how much there is. Catches events older than streams take sent to a stream,
// and a history that is streamed although there is a bucket for it.
func TestBackfillWay(t *testing.T) {
	const staging = "gs://b/p"
	tests := []struct {
		sink, via, oldest, staging string
		much                       bool
		want                       string // a way, or a part of an error
	}{
		{config.DuckDB, "auto", "2001-01-01", staging, true, "append"},
		{config.DuckDB, "load", "", staging, true, "has but one"},
		{config.BigQuery, "auto", "", "", true, "stream"},
		{config.BigQuery, "auto", "", staging, false, "stream"},
		{config.BigQuery, "auto", "", staging, true, "load"},
		{config.BigQuery, "auto", "2001-01-01", staging, false, "load"},
		{config.BigQuery, "auto", "2001-01-01", "", false, "set BACKFILL_STAGING"},
		{config.BigQuery, "load", "", "", false, "wants BACKFILL_STAGING"},
		{config.BigQuery, "load", "", staging, false, "load"},
		{config.BigQuery, "stream", "", staging, true, "stream"},
	}
	small, large := t.TempDir()+"/a.json", sparse(t, muchToRead+1)
	write(t, small, "{}")
	for _, test := range tests {
		path := small
		if test.much {
			path = large
		}
		c := backfillCommand{Paths: []string{path}, Via: test.via, Oldest: test.oldest}
		store := files.New(nil)
		way, err := c.way(t.Context(), &config.Config{Sink: test.sink, BackfillStaging: test.staging}, store)
		if got := fmt.Sprint(way, err); !strings.Contains(got, test.want) {
			t.Errorf("%+v: %s", test, got)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// However the dead come in, the first by place are shown. Catches a report that
// differs from run to run, and one that grows with the dead.
func TestDeadRecords(t *testing.T) {
	var d deadRecords
	for i := range 1000 {
		d.add(backfill.DeadRecord{
			Location: []string{"b", "a"}[i%2], Offset: int64(i * 7919 % 1000), Number: int64(i),
			Rejection: &transform.Rejection{Reason: transform.JSONInvalid, Cause: "ends too early"},
		})
	}
	var b strings.Builder
	if err := d.printFirst(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != shownDead || d.reasons[transform.JSONInvalid] != 1000 {
		t.Errorf("%d lines, %d counted", n, d.reasons[transform.JSONInvalid])
	}
	if want := "  a: offset 1, record 679: json_invalid: ends too early\n  a: offset 3, "; !strings.HasPrefix(b.String(), want) {
		t.Errorf("printed\n%swant it to begin with\n%s", &b, want)
	}
}
