package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"leadsync/sinks"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// metrics counts what a worker does. It is the observer of its pipeline and
// of its sink. The labels' values are known from the start, but for the names
// of unknown fields, so that counting looks nothing up.
type metrics struct {
	registry *prometheus.Registry

	received    prometheus.Counter
	settled     [len(pipeline.Outcomes)]prometheus.Counter
	deadLetters map[transform.Reason]prometheus.Counter // read only
	unknown     *prometheus.CounterVec
	batchRows   prometheus.Observer
	batchBytes  prometheus.Observer
	batchAge    prometheus.Observer
	durable     prometheus.Observer
	rowsWritten [transform.NumTables]prometheus.Counter
	appendTime  [transform.NumTables]prometheus.Observer
	appendRetry [transform.NumTables]map[sinks.Class]prometheus.Counter // read only
}

var (
	_ pipeline.Observer = (*metrics)(nil)
	_ sinks.Observer    = (*metrics)(nil)
)

// newMetrics returns metrics in a registry of their own, with those of the Go
// runtime and the process.
func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), deadLetters: make(map[transform.Reason]prometheus.Counter)}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	m.received = m.counter("messages_received_total", "Messages handed over by the source.").WithLabelValues()
	settled := m.counter("messages_settled_total", "Messages by what became of them.", "outcome")
	for i, o := range pipeline.Outcomes {
		m.settled[i] = settled.WithLabelValues(o.String())
	}
	dead := m.counter("dead_letters_total", "Messages that could not become rows, by reason.", "reason")
	for _, r := range transform.Reasons {
		m.deadLetters[r] = dead.WithLabelValues(string(r))
	}
	m.unknown = m.counter("unknown_fields_total",
		"Events with a key that no column holds, so that it is kept in extra; keys beyond 200 and odd ones are (other).", "part", "field")

	m.batchRows = m.histogram("batch_rows", "Rows of a batch, in all tables.", prometheus.ExponentialBuckets(1, 2, 14)).WithLabelValues()
	m.batchBytes = m.histogram("batch_bytes", "Encoded size of a batch, in bytes.", prometheus.ExponentialBuckets(1<<10, 4, 8)).WithLabelValues()
	m.batchAge = m.histogram("batch_age_seconds", "Time from a batch's first message to its being sent.", prometheus.ExponentialBuckets(0.001, 2.5, 10)).WithLabelValues()
	m.durable = m.histogram("publish_to_durable_seconds", "Time from a message's being published to its rows being durable.",
		[]float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600}).WithLabelValues()

	m.registerSink()
	return m
}

func (m *metrics) registerSink() {
	rows := m.counter("rows_written_total", "Rows made durable.", "table")
	took := m.histogram("append_seconds", "Time that a successful append took.", prometheus.ExponentialBuckets(0.002, 2, 14), "table")
	retries := m.counter("append_retries_total", "Appends tried again, by the class of their failure.", "table", "class")
	for id := range m.rowsWritten {
		name := transform.TableID(id).String()
		m.rowsWritten[id] = rows.WithLabelValues(name)
		m.appendTime[id] = took.WithLabelValues(name)
		m.appendRetry[id] = make(map[sinks.Class]prometheus.Counter)
		for _, class := range []sinks.Class{sinks.Transient, sinks.Throttled, sinks.Setup, sinks.Data} {
			m.appendRetry[id][class] = retries.WithLabelValues(name, string(class))
		}
	}
}

func (m *metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "leadsync", Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "leadsync", Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// outstanding makes the number of messages taken and not yet settled a gauge.
// Call it once.
func (m *metrics) outstanding(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "leadsync", Name: "outstanding_messages", Help: "Messages taken and not yet settled.",
	}, func() float64 { return float64(count()) }))
}

// recycles makes the number of recycled streams a counter. Call it once.
func (m *metrics) recycles(count func() int) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "leadsync", Name: "stream_recycles_total", Help: "Times that silent streams were replaced by new ones.",
	}, func() float64 { return float64(count()) }))
}

// handler serves the metrics in Prometheus' text format.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 5 * time.Second, MaxRequestsInFlight: 4})
}

// Received counts messages handed over.
func (m *metrics) Received(messages int) { m.received.Add(float64(messages)) }

// Settled counts messages by outcome.
func (m *metrics) Settled(o pipeline.Outcome, messages int) { m.settled[o].Add(float64(messages)) }

// DeadLetter counts a dead letter.
func (m *metrics) DeadLetter(r transform.Reason) {
	if c := m.deadLetters[r]; c != nil {
		c.Inc()
	}
}

// UnknownField counts events with a key that no column holds.
func (m *metrics) UnknownField(part transform.Part, key string, events int) {
	m.unknown.WithLabelValues(part.String(), key).Add(float64(events))
}

// BatchClosed notes the size and age of a batch.
func (m *metrics) BatchClosed(rows, bytes int, age time.Duration) {
	m.batchRows.Observe(float64(rows))
	m.batchBytes.Observe(float64(bytes))
	m.batchAge.Observe(age.Seconds())
}

// Durable notes how long a message took from being published: no time if the
// clocks do not agree, since a sum that falls reads as a restart.
func (m *metrics) Durable(sincePublish time.Duration) {
	m.durable.Observe(max(0, sincePublish.Seconds()))
}

// Appended counts rows made durable.
func (m *metrics) Appended(table transform.TableID, rows, _ int, took time.Duration) {
	m.rowsWritten[table].Add(float64(rows))
	m.appendTime[table].Observe(took.Seconds())
}

// Retried counts an append that is tried again.
func (m *metrics) Retried(table transform.TableID, class sinks.Class) {
	if c := m.appendRetry[table][class]; c != nil {
		c.Inc()
	}
}
