package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// beat is a worker as a watchdog sees it.
type beat struct {
	outstanding, settled atomic.Int64
	held, source         atomic.Pointer[error]
	health               *health
	log                  bytes.Buffer
}

func (b *beat) watch(t *testing.T, timeout time.Duration) {
	t.Helper()
	b.health = newHealth()
	load := func(p *atomic.Pointer[error]) func() error {
		return func() error {
			if err := p.Load(); err != nil {
				return *err
			}
			return nil
		}
	}
	b.health.addReady("sink", load(&b.held))
	b.health.addReady("source", load(&b.source))
	ctx, cancel := context.WithCancel(t.Context())
	stop := watch(ctx, b.health, &watchdog{
		timeout:     timeout,
		outstanding: func() int { return int(b.outstanding.Load()) },
		settled:     b.settled.Load,
		held:        b.health.held,
		source:      load(&b.source),
		logger:      slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	t.Cleanup(stop)
	t.Cleanup(cancel)
}

// alive plays a time and returns what liveness says then.
func (b *beat) alive(d time.Duration) string {
	time.Sleep(d)
	synctest.Wait()
	return b.health.report(b.health.alive, true).Causes["worker"]
}

func set(p *atomic.Pointer[error], err error) {
	if err == nil {
		p.Store(nil)
	} else {
		p.Store(&err)
	}
}

// A worker that holds messages and settles none must be called stuck after the
// timeout and not before, once in the log, with what its goroutines do; and no
// longer so when it goes on.
func TestWatchdogStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b beat
		b.watch(t, time.Minute)
		b.outstanding.Store(7)
		if got := b.alive(58 * time.Second); got != "" {
			t.Errorf("too soon: %s", got)
		}
		if got := b.alive(4 * time.Second); !strings.Contains(got, "7 messages are held and none was settled for 1m") {
			t.Errorf("stuck: %q", got)
		}
		b.alive(time.Hour)
		b.settled.Add(1)
		if got := b.alive(2 * time.Second); got != "" {
			t.Errorf("it goes on: %s", got)
		}
		b.alive(time.Hour)
		log := b.log.String()
		if n := strings.Count(log, "only a restart helps"); n != 1 {
			t.Errorf("%d lines in the log", n)
		}
		if !strings.Contains(log, "watchdog).run") || !strings.Contains(log, "goroutine profile: total") {
			t.Errorf("no goroutine profile: %s", log)
		}
		if len(log) > 4*maxProfile {
			t.Errorf("%d bytes of log", len(log))
		}
	})
}

// What is slow, idle or held back for a known cause is not stuck, however long.
func TestWatchdogPatient(t *testing.T) {
	for name, step := range map[string]func(b *beat){
		"idle": func(*beat) {},
		"slow": func(b *beat) {
			b.outstanding.Store(100)
			b.settled.Add(1)
		},
		"held": func(b *beat) {
			b.outstanding.Store(100)
			set(&b.held, errors.New("the table is gone"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b beat
				b.watch(t, time.Minute)
				for range 100 {
					step(&b)
					if got := b.alive(50 * time.Second); got != "" {
						t.Fatal(got)
					}
				}
				if b.log.Len() > 0 {
					t.Error(b.log.String())
				}
			})
		})
	}
}

// The end of an outage gives the time of the timeout anew. An outage of the
// source is none of the sink's, and covers up nothing.
func TestWatchdogAfterOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b beat
		b.watch(t, time.Minute)
		b.outstanding.Store(100)
		set(&b.held, errors.New("the table is gone"))
		b.alive(time.Hour)
		set(&b.held, nil)
		if got := b.alive(57 * time.Second); got != "" {
			t.Errorf("too soon: %s", got)
		}
		if got := b.alive(5 * time.Second); got == "" {
			t.Error("not stuck after an outage")
		}
		b.settled.Add(1)
		set(&b.source, errors.New("pub/sub is away"))
		if got := b.alive(2 * time.Second); got != "pub/sub is away" {
			t.Errorf("the source's alarm: %q", got)
		}
		if got := b.alive(time.Minute); !strings.Contains(got, "none was settled") {
			t.Errorf("stuck while the source is away: %q", got)
		}
	})
}

// An outage is told after some seconds only: until then a watchdog that is set
// to less must not take it for a standstill.
func TestWatchdogWaitsForCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b beat
		b.watch(t, time.Second)
		b.outstanding.Store(100)
		if got := b.alive(7 * time.Second); got != "" {
			t.Error(got)
		}
		set(&b.held, errors.New("the table is gone"))
		if got := b.alive(time.Minute); got != "" {
			t.Error(got)
		}
	})
}
