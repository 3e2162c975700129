package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// A watchdog tells when a worker stands still and only a restart helps. It
// sees two ways to stand still: the pipeline holds messages and settles none
// though nothing is known to hold it back, and the source says so of itself. A
// warehouse that is away is neither: that has a cause, which readiness tells.
type watchdog struct {
	timeout     time.Duration // for which nothing may move
	outstanding func() int    // messages taken and not yet settled
	settled     func() int64  // messages settled so far
	held        func() error  // a known cause for settling nothing; nil: none
	source      func() error  // why the source needs a restart; nil: it does not
	logger      *slog.Logger

	stuck atomic.Pointer[error] // why the pipeline needs a restart; nil: it does not
}

// watch runs a watchdog beside a worker, and has liveness ask it, until ctx
// ends or the function it returns is called.
func watch(ctx context.Context, h *health, w *watchdog) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	h.addAlive("worker", w.alive)
	var running sync.WaitGroup
	running.Go(func() { w.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// run looks after the worker until ctx ends. The first time that only a
// restart helps the log gets the cause and what every goroutine is doing.
func (w *watchdog) run(ctx context.Context) {
	ticker := time.NewTicker(min(w.timeout/8, time.Second))
	defer ticker.Stop()
	moved, before, told := time.Now(), w.settled(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if n := w.settled(); n != before || w.outstanding() == 0 || w.held() != nil {
			moved, before = time.Now(), n
		}
		w.judge(time.Since(moved))
		if err := w.alive(); err != nil && !told {
			told = true
			w.logger.Error("the worker stands still: only a restart helps", "error", err, "goroutines", goroutines())
		}
	}
}

// judge says what it means that nothing moved for so long.
func (w *watchdog) judge(still time.Duration) {
	if still < max(w.timeout, causeKnown) {
		w.stuck.Store(nil)
		return
	}
	err := fmt.Errorf("%d messages are held and none was settled for %v though the warehouse takes rows: a write is stuck",
		w.outstanding(), still.Round(time.Second))
	w.stuck.Store(&err)
}

// alive returns why only a restart helps, nil if none is needed.
func (w *watchdog) alive() error {
	if err := w.stuck.Load(); err != nil {
		return *err
	}
	return w.source()
}

// causeKnown is the time after which a warehouse that is away has said so: what
// passes within seconds is not told.
const causeKnown = 8 * time.Second

// maxProfile bounds the text of a profile in the log, of which a line holds
// 256 KiB at Google's.
const maxProfile = 64 << 10

// goroutines tells what goroutines are doing: how many of each stack, the most
// frequent first.
func goroutines() string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return fmt.Sprintf("no goroutine profile: %v", err)
	}
	return string(b.Bytes()[:min(b.Len(), maxProfile)])
}
