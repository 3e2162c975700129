package faults

import (
	"fmt"
	"slices"
	"time"
)

// processFaults are those of the worker's own process.
func processFaults() []Fault {
	return slices.Concat([]Fault{
		{
			Name: "sigterm", Wrong: "the worker is ended by SIGTERM in the middle of its work, three times", Class: Process,
			Does: "writes what is under way, acknowledges it, gives the rest back, and ends with status 0 within SHUTDOWN_TIMEOUT",
			Sees: `"worker ended" in the log; /readyz says "draining" meanwhile`, Play: sigterm,
		},
		{
			Name: "sigkill", Wrong: "the worker is killed in the middle of its work, three times", Class: Process,
			Does: "acknowledges only what is durable: the rest comes again to the next worker, whose copies have the same event_id",
			Sees: "more rows in the tables than in the views, which show each fact once", Play: sigkill,
		},
		{
			Name: "memory-short", Wrong: "the worker has 64 MiB, and large events wait", Class: Process, Environ: []string{"GOMEMLIMIT=64MiB", "MAX_OUTSTANDING_BYTES=", "BATCH_MAX_BYTES="},
			Does: "takes no more messages at once than a quarter of its memory holds", Sees: "nothing", Play: memoryShort,
		},
	}, starving())
}

// atWork starts a worker, publishes and waits until it has begun to
// acknowledge.
func (r *Rig) atWork() error {
	if err := r.Start(); err != nil {
		return err
	}
	acks := r.PubSub.Stats().Acks
	r.Publish(r.Load(1000))
	if !r.Within(alarm, func() bool { return r.PubSub.Stats().Acks > acks }) {
		return fmt.Errorf("the worker acknowledged nothing within %v", alarm)
	}
	return nil
}

func sigterm(r *Rig) error {
	for range 3 {
		if err := r.atWork(); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.Stop(); err != nil {
			return err
		}
		took := time.Since(begun)
		r.Expect(took <= r.settings.Shutdown, "the worker took %v to end", took)
	}
	r.Broken()
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.Settle(); err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	a, err := r.audit()
	if err != nil {
		return err
	}
	r.Expect(a.copies == 0, "%d rows were written twice: they were durable and not acknowledged", a.copies)
	return nil
}

// expectNoLoss expects that all that was acknowledged is durable, now that the
// worker was killed.
func (r *Rig) expectNoLoss() error {
	a, err := r.audit()
	if err != nil {
		return err
	}
	r.Expect(a.lost == 0, "%d facts were acknowledged and are not durable after a kill", a.lost)
	return nil
}

// restarted starts a worker in the place of one that was killed, and waits
// until it has caught up.
func (r *Rig) restarted() error {
	r.Broken()
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectGreen(recovery)
	return nil
}

func sigkill(r *Rig) error {
	for range 3 {
		if err := r.atWork(); err != nil {
			return err
		}
		if err := r.Worker.Kill(); err != nil {
			return err
		}
		if err := r.expectNoLoss(); err != nil {
			return err
		}
	}
	return r.restarted()
}

// memoryShort sends more than the worker's memory holds.
func memoryShort(r *Rig) error {
	if err := r.Start(); err != nil {
		return err
	}
	r.Broken()
	const large = 1 << 20
	events := r.Events(r.Load(40))
	for i := range events {
		events[i].Data = padded(events[i].Data, large)
	}
	r.Send(events...)
	return r.recovered()
}

// padded returns an event with a key more, of so many bytes.
func padded(event []byte, n int) []byte {
	const key = `{"selftest_padding":"`
	out := make([]byte, 0, len(event)+n+len(key)+2)
	out = append(out, key...)
	for i := range n {
		out = append(out, '0'+byte(i%10))
	}
	out = append(out, `",`...)
	return append(out, event[1:]...)
}
