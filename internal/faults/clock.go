package faults

import (
	"time"

	"leadsync/sync/pull/pulltest"
	"leadsync/sync/simulate"
)

type message = pulltest.Message

// clockFaults are clocks that do not agree. The worker's own cannot be set for
// it alone, but all that matters is the distance between the clocks.
func clockFaults() []Fault {
	const does = "writes them: event times may be ten years back and one ahead; leases are kept by the worker's own clock alone"
	return []Fault{
		{
			Name: "clock-behind", Wrong: "the worker's clock falls 36 hours behind that of the source and of Pub/Sub", Class: Delivery,
			Does: does, Sees: "leadsync_publish_to_durable_seconds counts them as instant", Play: jump(36 * time.Hour),
		},
		{
			Name: "clock-ahead", Wrong: "the worker's clock jumps 36 hours ahead of that of the source and of Pub/Sub", Class: Delivery,
			Does: does, Sees: "leadsync_publish_to_durable_seconds tells of a day and a half", Play: jump(-36 * time.Hour),
		},
	}
}

// jump publishes events as of another time.
func jump(by time.Duration) func(*Rig) error {
	return func(r *Rig) error {
		if err := r.warm(); err != nil {
			return err
		}
		r.Broken()
		r.Send(eventsAt(time.Now().Add(by), 200)...)
		if err := r.Settle(); err != nil {
			return err
		}
		r.ExpectNoNack()
		const sum = "leadsync_publish_to_durable_seconds_sum"
		seconds, ok := r.Worker.Metric(r.ctx, sum)
		r.Expect(ok && seconds >= 0, "%s is %v", sum, seconds)
		r.expectFirstDelivery()
		r.ExpectGreen(recovery)
		return nil
	}
}

// eventsAt are events of the minutes before a time, and published in them.
func eventsAt(at time.Time, n int) []message {
	tenant := simulate.New(simulate.Options{Seed: 2, Events: n, Now: at, Span: 10 * time.Minute, Clean: true})
	list := make([]message, 0, n)
	for d := range tenant.Deliveries() {
		list = append(list, message{Data: d.Payload, Attributes: d.Attributes, PublishedAt: d.PublishedAt})
	}
	return list
}
