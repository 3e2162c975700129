package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// The names are what dashboards and alerts ask for. Every label value is there
// from the start: a rate over a series that appears with its first failure
// misses that failure.
func TestMetrics(t *testing.T) {
	m := newMetrics()
	m.outstanding(func() int { return 42 })
	m.recycles(func() int { return 3 })
	m.Received(10)
	m.Settled(pipeline.Written, 7)
	m.Settled(pipeline.Dead, 2)
	m.DeadLetter(transform.JSONInvalid)
	m.DeadLetter("a reason of tomorrow")
	m.BatchClosed(500, 1<<20, 250*time.Millisecond)
	m.Durable(3 * time.Second)
	m.Appended(transform.TransitionsLog, 30, 9000, 20*time.Millisecond)
	m.Retried(transform.EventsLog, sinks.Throttled)
	m.Retried(transform.EventsLog, "a class of tomorrow")

	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := "\n" + w.Body.String()
	for _, want := range []string{
		`leadsync_messages_received_total 10`,
		`leadsync_messages_settled_total{outcome="written"} 7`,
		`leadsync_messages_settled_total{outcome="dead"} 2`,
		`leadsync_messages_settled_total{outcome="given_back"} 0`,
		`leadsync_dead_letters_total{reason="json_invalid"} 1`,
		`leadsync_dead_letters_total{reason="row_rejected"} 0`,
		`leadsync_rows_written_total{table="transitions_log"} 30`,
		`leadsync_rows_written_total{table="sync_batches"} 0`,
		`leadsync_append_retries_total{class="throttled",table="events_log"} 1`,
		`leadsync_append_retries_total{class="setup",table="dead_letters"} 0`,
		`leadsync_append_seconds_count{table="transitions_log"} 1`,
		`leadsync_batch_rows_sum 500`,
		`leadsync_batch_bytes_sum 1.048576e+06`,
		`leadsync_batch_age_seconds_sum 0.25`,
		`leadsync_publish_to_durable_seconds_bucket{le="2.5"} 0`,
		`leadsync_publish_to_durable_seconds_bucket{le="5"} 1`,
		`leadsync_publish_to_durable_seconds_bucket{le="60"} 1`,
		`leadsync_outstanding_messages 42`,
		`leadsync_stream_recycles_total 3`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	for _, want := range []string{"\ngo_goroutines ", "\nprocess_cpu_seconds_total "} {
		if !strings.Contains(body, want) {
			t.Errorf("no metric %s", strings.TrimSpace(want))
		}
	}
}

// Counting happens for every message and must cost next to nothing: no
// allocation, which a lookup by label would be.
func TestMetricsDoNotAllocate(t *testing.T) {
	m := newMetrics()
	allocs := testing.AllocsPerRun(100, func() {
		m.Received(1)
		m.Settled(pipeline.Written, 1)
		m.DeadLetter(transform.TooLarge)
		m.BatchClosed(1, 1, time.Second)
		m.Durable(time.Second)
		m.Appended(transform.EventsLog, 1, 1, time.Second)
		m.Retried(transform.EventsLog, sinks.Transient)
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
