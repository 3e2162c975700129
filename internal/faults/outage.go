package faults

import (
	"time"

	"google.golang.org/grpc/codes"

	"leadsync/sinks/bigquery/bqtest"
)

const (
	// alarm is how soon the operator must learn of a standstill.
	alarm = 10 * time.Second
	// recovery is how soon readiness must come back once all is settled.
	recovery = 10 * time.Second
)

// warm starts the worker and lets it do some work, so that its streams are open.
func (r *Rig) warm() error {
	if err := r.Start(); err != nil {
		return err
	}
	r.Publish(r.Load(40))
	return r.Settle()
}

// outageFaults are a warehouse that is away, slow, or says something else than
// it did.
func outageFaults() []Fault {
	return []Fault{
		{
			Name: "append-written-but-refused", Wrong: "appends are made durable and answered UNAVAILABLE all the same", Sink: "bigquery", Class: Transient,
			Does: "writes the rows again: copies with the same event_id", Sees: "more rows in the tables than in the views, which show each fact once",
			Play: writtenButRefused,
		},
		{
			Name: "append-slow", Wrong: "appends take 1.5 s each", Sink: "bigquery", Class: Transient,
			Does: "waits, with up to 16 requests of a table under way", Sees: "leadsync_append_seconds; nothing else",
			Play: slowAppends,
		},
		{
			Name: "append-stuck", Wrong: "an append is never answered", Sink: "bigquery", Class: Transient,
			Does: "gives the request up after 30 s together with its connection and sends it on a new one",
			Sees: "after 5 s /readyz and the log say that the append has no answer",
			Long: true, Play: stuckAppend,
		},
		{
			Name: "connection-cut", Wrong: "the connections to the storage API are cut, again and again, with appends under way", Sink: "bigquery", Class: Transient,
			Does: handled[Transient].does, Sees: handled[Transient].sees, Play: connectionCut,
		},
		{
			Name: "storage-api-down", Wrong: "the storage API is down for 7 s", Sink: "bigquery", Class: Transient,
			Does: "holds the messages, keeps their leases, tries again", Sees: handled[Transient].sees,
			Play: func(r *Rig) error { return r.down(7 * time.Second) },
		},
		{
			Name: "storage-api-down-60s", Wrong: "the storage API is down for a minute", Sink: "bigquery", Class: Transient,
			Does: "holds the messages, keeps their leases: no delivery attempt is burnt", Sees: handled[Transient].sees,
			Long: true, Limit: 3 * time.Minute, Play: func(r *Rig) error { return r.down(time.Minute) },
		},
		{
			Name: "ended-while-held", Wrong: "the worker is ended by SIGTERM while the storage API is down", Sink: "bigquery", Class: Process,
			Does:    "tries until most of SHUTDOWN_TIMEOUT is over, gives the messages back, and ends with status 0",
			Sees:    `"messages that are not durable are given back" in the log; /readyz says "draining" meanwhile`,
			Environ: []string{"SHUTDOWN_TIMEOUT=3s"}, Play: endedWhileHeld,
		},
		{
			Name: "quota-exhausted", Wrong: "appends are answered RESOURCE_EXHAUSTED for 12 s", Sink: "bigquery", Class: Throttled,
			Does: handled[Throttled].does, Sees: handled[Throttled].sees, Long: true, Play: quotaExhausted,
		},
	}
}

func writtenButRefused(r *Rig) error {
	lied := &bqtest.Fault{Code: codes.Unavailable, Written: true}
	if err := r.failAppends(Transient, lied, lied, lied); err != nil {
		return err
	}
	rows, events := r.BigQuery.NumRows("events_log"), r.sent.distinct()
	r.Expect(rows > events, "no copies: %d rows of %d events", rows, events)
	return nil
}

func slowAppends(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Fault(func(*bqtest.Append) *bqtest.Fault { return &bqtest.Fault{Delay: 1500 * time.Millisecond} })
	r.Broken()
	r.Publish(r.Load(200))
	return r.untouched()
}

func stuckAppend(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Next("events_log", &bqtest.Fault{Stuck: true})
	r.Broken()
	r.Publish(200)
	r.ExpectRed(alarm, "events_log", "no answer")
	return r.recovered()
}

func connectionCut(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Fault(func(*bqtest.Append) *bqtest.Fault { return &bqtest.Fault{Delay: 200 * time.Millisecond} })
	for range 4 {
		r.Publish(50)
		r.Sleep(r.settings.BatchDelay + 100*time.Millisecond)
		r.BigQuery.Disconnect()
	}
	r.Broken()
	return r.recovered()
}

// down takes the storage API away. Leases are short, so that the worker must
// keep them meanwhile.
func (r *Rig) down(d time.Duration) error {
	r.PubSub.Lease(10 * time.Second)
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Down(true)
	begun := time.Now()
	r.Publish(200)
	r.ExpectRed(alarm, "events_log", string(Transient))
	r.Sleep(d - time.Since(begun))
	r.BigQuery.Down(false)
	return r.mended()
}

func endedWhileHeld(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Down(true)
	published := len(r.Publish(r.Load(200)))
	held := r.Within(alarm, func() bool {
		n, _ := r.Worker.Metric(r.ctx, "leadsync_outstanding_messages")
		return n > 0
	})
	r.Expect(held, "the worker took no message")
	begun := time.Now()
	if err := r.Stop(); err != nil {
		return err
	}
	took := time.Since(begun)
	r.Expect(took <= 4*time.Second, "the worker took %v to end", took) // a second for what the system does
	unacked := r.PubSub.Stats().Unacked
	r.Expect(unacked == published, "%d messages were acknowledged that cannot be durable", published-unacked)
	r.BigQuery.Down(false)
	r.Healed()
	if err := r.Start(); err != nil {
		return err
	}
	return r.Settle()
}

func quotaExhausted(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Fault(func(*bqtest.Append) *bqtest.Fault { return &bqtest.Fault{Code: codes.ResourceExhausted} })
	begun := time.Now()
	r.Publish(200)
	r.ExpectRed(alarm+4*time.Second, "events_log", string(Throttled), "quota") // it is tried again after seconds
	r.Sleep(12*time.Second - time.Since(begun))
	r.BigQuery.Fault(nil)
	r.Healed()
	return r.recovered()
}

// expectFirstDelivery expects that no message was delivered twice.
func (r *Rig) expectFirstDelivery() {
	n := r.PubSub.Stats().MaxAttempt
	r.Expect(n <= 1, "a message was delivered %d times", n)
}
