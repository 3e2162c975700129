package faults

import (
	"slices"
	"sync"
	"time"

	"leadsync/sync/pull/pulltest"
)

// deliveryFaults are messages that come again, late, in disorder or not at all.
func deliveryFaults() []Fault {
	const copies = "writes copies or leaves them out; acknowledges all"
	return []Fault{
		{
			Name: "acks-lost", Wrong: "the first acknowledgement of every second message is lost, so that it comes again", Class: Delivery,
			Does: copies, Sees: "duplicates in sync_batches, or more rows in the tables than in the views", Play: acksLost,
		},
		{
			Name: "redelivery-storm", Wrong: "every message comes six times, acknowledged or not", Class: Delivery,
			Does: copies, Sees: "duplicates in sync_batches, or more rows in the tables than in the views", Play: storm,
		},
		{
			Name: "redelivery-storm-unremembered", Wrong: "every message comes six times, acknowledged or not, and the worker remembers no event", Class: Delivery,
			Does: "writes copies; acknowledges all", Sees: "more rows in the tables than in the views",
			Environ: []string{"DUPLICATE_WINDOW=0"}, Play: storm,
		},
		{
			Name: "leases-expire", Wrong: "leases end after a second, while batches still wait for three", Class: Delivery,
			Does: copies, Sees: "the subscription's expired leases in Cloud Monitoring; duplicates in sync_batches",
			Environ: []string{"BATCH_MAX_DELAY=3s", "BATCH_MAX_ROWS=100", "MAX_OUTSTANDING_MESSAGES=1000", "WATCHDOG_TIMEOUT=2m"}, Play: leasesExpire,
		},
		{
			Name: "duplicates-published", Wrong: "every event is published three times, as messages of their own, once written differently", Class: Delivery,
			Does: "finds the same event_id whatever the message and the spelling", Sees: "duplicates in sync_batches, or more rows in the tables than in the views",
			Play: duplicatesPublished,
		},
		{
			Name: "out-of-order", Wrong: "messages come in random order, later facts before earlier ones", Class: Delivery,
			Does: "writes them as they come: sequence orders the facts, not their arrival", Sees: "nothing", Play: outOfOrder,
		},
	}
}

func acksLost(r *Rig) error {
	r.PubSub.Lease(7 * time.Second)
	if err := r.warm(); err != nil {
		return err
	}
	var mu sync.Mutex
	dropped := map[string]bool{}
	r.PubSub.DropAcks(func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		drop := !dropped[id] && id[len(id)-1]%2 == 0
		dropped[id] = true
		return drop
	})
	r.Broken()
	published := len(r.Publish(r.Load(200)))
	if err := r.Settle(); err != nil {
		return err
	}
	n := r.PubSub.Stats().Redelivered
	r.Expect(n >= published/2, "only %d of %d messages came again", n, published)
	r.ExpectNoNack()
	return nil
}

func storm(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.Storm(5)
	r.Broken()
	r.Publish(r.Load(300))
	if err := r.Settle(); err != nil {
		return err
	}
	n := r.PubSub.Stats().RedeliveredAcked
	r.Expect(n > 0, "no message came again that had been acknowledged")
	r.ExpectNoNack()
	return nil
}

func leasesExpire(r *Rig) error {
	r.PubSub.Lease(time.Second)
	if err := r.Start(); err != nil {
		return err
	}
	r.Broken()
	r.Publish(r.Load(30))
	if err := r.Settle(); err != nil {
		return err
	}
	n := r.PubSub.Stats().MaxAttempt
	r.Expect(n > 1, "no lease has ended")
	r.ExpectNoNack()
	return nil
}

func duplicatesPublished(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.Broken()
	for range 4 {
		events := r.Events(50)
		again := slices.Clone(events)
		for i := range again {
			again[i].Data = slices.Concat([]byte(" \n"), events[i].Data, []byte("\t\n"))
		}
		r.Send(events...)
		r.Send(again...)
		r.Sleep(r.settings.BatchDelay)
		r.Send(events...)
	}
	return r.recovered()
}

func outOfOrder(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.Shuffle(7)
	events := r.Events(300)
	now := time.Now()
	for i := range events {
		events[i].PublishedAt = now.Add(-time.Duration(i) * time.Second)
	}
	slices.Reverse(events)
	r.Broken()
	r.Send(events...)
	return r.Settle()
}

// without takes something of Pub/Sub away for a time.
func (r *Rig) without(fault func(bool), d time.Duration) error {
	if err := r.warm(); err != nil {
		return err
	}
	fault(true)
	r.Publish(200)
	r.Sleep(d)
	fault(false)
	r.Healed()
	return r.recovered()
}

// acked reports whether a message was acknowledged.
func (r *Rig) acked(message string) (acked bool) {
	r.PubSub.Each(func(m pulltest.Record) { acked = acked || m.ID == message && m.Acks > 0 })
	return acked
}
