package faults

import "time"

// quickWatch lets the watchdog bite within seconds.
var quickWatch = []string{"WATCHDOG_TIMEOUT=2s", "BATCH_MAX_DELAY=250ms"}

// stuckFaults are standstills that nobody answers for: no error comes.
func stuckFaults() []Fault {
	return []Fault{
		{
			Name: "pull-stalled", Wrong: "streams stay open and bring nothing though messages wait; new ones would", Class: Delivery,
			Does: "recycles its streams after WATCHDOG_TIMEOUT", Sees: "leadsync_stream_recycles_total", Environ: quickWatch, Play: stalled,
		},
		{
			Name: "pull-silent", Wrong: "streams stay open and bring nothing for 4 s though messages wait, new ones neither", Class: Delivery,
			Does: "waits, and takes up again", Sees: "the subscription's oldest unacknowledged message in Cloud Monitoring",
			Play: func(r *Rig) error { return r.without(r.PubSub.Silence, 4*time.Second) },
		},
		{
			Name: "pull-silent-for-good", Wrong: "streams bring nothing though messages wait, whatever the worker does", Class: Delivery,
			Does:    "recycles its streams, asks for messages apart from them, and in the end calls itself not alive: the platform restarts it",
			Sees:    "/healthz fails; the log has the cause and a goroutine profile",
			Environ: quickWatch, Play: silentForGood,
		},
		{
			Name: "pull-frozen", Wrong: "Pub/Sub accepts calls and answers none", Class: Delivery,
			Does: "waits, and takes up again", Sees: "within 10 s /readyz and the log name the subscription", Play: frozen,
		},
		{
			Name: "letters-topic-refuses", Wrong: "dead letters cannot be published to DEAD_LETTER_TOPIC", Class: Setup,
			Does:    "holds the batch that they came in, though its rows are durable",
			Sees:    "/readyz and the log name the topic",
			Environ: []string{"DEAD_LETTER_TOPIC=letters"}, Play: lettersRefused,
		},
	}
}

func stalled(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.Stall()
	r.Broken()
	r.Publish(100)
	if err := r.Settle(); err != nil {
		return err
	}
	recycled, _ := r.Worker.Metric(r.ctx, "leadsync_stream_recycles_total")
	r.Expect(recycled > 0, "no stream was recycled")
	r.ExpectNoNack()
	r.ExpectGreen(recovery)
	return nil
}

// silentForGood restarts the worker once it is not alive, as a platform does.
func silentForGood(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.Silence(true)
	r.Publish(100)
	r.Expect(r.Within(30*time.Second, func() bool {
		status, _ := r.Worker.Get(r.ctx, "/healthz")
		return status == 503
	}), "/healthz does not fail though nothing moves")
	r.Expect(r.Within(time.Second, func() bool {
		return holds(r.Worker.Log(), []string{"only a restart helps", "subscription " + subscription, "goroutine"})
	}), "the log has no cause or no goroutine profile")
	if err := r.Stop(); err != nil {
		return err
	}
	r.PubSub.Silence(false)
	r.Healed()
	if err := r.Start(); err != nil {
		return err
	}
	return r.Settle()
}

func frozen(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.Hang(true)
	r.Publish(200)
	r.ExpectRed(alarm, "subscription "+subscription)
	r.PubSub.Hang(false)
	return r.mended()
}

// lettersRefused ends as it does when the operator takes the topic out of the
// settings: there is nobody here to publish to.
func lettersRefused(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	events := r.Events(50)
	events[10].Data = events[10].Data[:len(events[10].Data)/2]
	ids := r.Send(events...)
	r.ExpectRed(alarm, "letters")
	r.Expect(!r.acked(ids[10]), "a message was acknowledged while its letter could not be published")
	if err := r.Stop(); err != nil {
		return err
	}
	r.Healed()
	if err := r.Start("DEAD_LETTER_TOPIC="); err != nil {
		return err
	}
	return r.Settle()
}
