//go:build unix

package faults

import (
	"errors"
	"sync"
	"syscall"
	"time"
)

// starving are faults of a process that does not get what it needs to run.
func starving() []Fault {
	return []Fault{{
		Name: "cpu-tenth", Wrong: "the worker gets a tenth of one CPU", Class: Process,
		Does: "works slowly, and keeps the leases of what it holds", Sees: "a growing backlog; nothing comes twice", Play: cpuTenth,
	}}
}

// cpuTenth lets the worker run for 10 ms in every 100.
func cpuTenth(r *Rig) error {
	r.PubSub.Lease(10 * time.Second)
	if err := r.Start("GOMAXPROCS=1"); err != nil {
		return err
	}
	r.Publish(r.Load(100))
	if err := r.Settle(); err != nil {
		return err
	}
	enough := r.starve(10*time.Millisecond, 90*time.Millisecond)
	r.Broken()
	r.Publish(r.Load(4000))
	err := r.Settle()
	if err := errors.Join(err, enough()); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.expectFirstDelivery()
	r.ExpectGreen(recovery)
	return nil
}

// starve stops the worker and lets it go on in turn, until the function it
// returns is called.
func (r *Rig) starve(runs, stands time.Duration) (enough func() error) {
	done := make(chan struct{})
	var err error
	var wg sync.WaitGroup
	worker := r.Worker
	wg.Go(func() {
		for {
			err = errors.Join(err, worker.Signal(syscall.SIGSTOP))
			select {
			case <-time.After(stands):
			case <-done:
			case <-r.ctx.Done():
			}
			err = errors.Join(err, worker.Signal(syscall.SIGCONT))
			select {
			case <-time.After(runs):
			case <-done:
				return
			case <-r.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
	return func() error {
		close(done)
		wg.Wait()
		return err
	}
}
