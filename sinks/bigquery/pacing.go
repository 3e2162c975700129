package bigquery

import (
	"context"
	"math/rand/v2"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A pace says how long to wait between tries: a random time up to first, then
// up to twice as much, and so on up to most. The whole time is random, so that
// workers that failed together do not come back together.
type pace struct{ first, most time.Duration }

func (p pace) pause(try int) time.Duration {
	limit := p.most
	if try < 20 {
		limit = min(limit, p.first<<try)
	}
	return rand.N(limit) + 1
}

// pacing holds every time that is not the user's to set.
type pacing struct {
	transient, throttled, setup pace
	// patience is how long a table may fail before it is called held: most
	// failures are gone by the next try.
	patience time.Duration
}

var defaultPacing = pacing{
	transient: pace{100 * time.Millisecond, 10 * time.Second},
	throttled: pace{time.Second, 30 * time.Second},
	setup:     pace{2 * time.Second, 30 * time.Second},
	patience:  5 * time.Second,
}

func (p *pacing) of(c sinks.Class) pace {
	switch c {
	case sinks.Setup:
		return p.setup
	case sinks.Throttled:
		return p.throttled
	default:
		return p.transient
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// unobserved is the observer of a sink that has none.
type unobserved struct{}

func (unobserved) Appended(transform.TableID, int, int, time.Duration) {}
func (unobserved) Retried(transform.TableID, sinks.Class)              {}
