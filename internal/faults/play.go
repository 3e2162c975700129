package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Result is what came of playing a fault.
type Result struct {
	Name     string        `json:"fault"`
	Sink     string        `json:"sink"`
	Messages int           `json:"messages"`           // published
	Events   int           `json:"events_in"`          // different ones among them
	Unique   int           `json:"unique_out"`         // of these that stand in the tables
	Doubled  int           `json:"doubled"`            // events that views would show twice or wrongly
	Copies   int           `json:"copies"`             // rows of events_log beyond the first of an event; views show one
	Dead     int           `json:"dead"`               // dead letters
	Lost     int           `json:"lost"`               // acknowledged and in no table
	Nacks    int           `json:"nacks"`              // messages given back
	Attempts int           `json:"attempts"`           // most deliveries of a message
	Recovery time.Duration `json:"-"`                  // from the end of the fault until all was acknowledged; negative: it was not
	Seconds  *float64      `json:"recovery_seconds"`   // the same; null: it was not
	Failures []string      `json:"failures,omitempty"` // what was not as expected
}

// Problems says what was not as it should be: nothing if the slice is empty.
func (r *Result) Problems() []string {
	var list []string
	if r.Lost > 0 {
		list = append(list, fmt.Sprintf("%d lost", r.Lost))
	}
	if r.Doubled > 0 {
		list = append(list, fmt.Sprintf("%d doubled", r.Doubled))
	}
	return append(list, r.Failures...)
}

// Recovered returns the time to recover for people.
func (r *Result) Recovered() string {
	switch {
	case r.Recovery < 0:
		return "-"
	case r.Recovery < 10*time.Second:
		return fmt.Sprintf("%.1f s", r.Recovery.Seconds())
	default:
		return fmt.Sprintf("%.0f s", r.Recovery.Seconds())
	}
}

// OK reports whether nothing was lost or doubled and all was as expected.
func (r *Result) OK() bool { return r.Lost == 0 && r.Doubled == 0 && len(r.Failures) == 0 }

// defaultLimit is far more than a fault takes, but for a machine that has much
// else to do.
const defaultLimit = 2 * time.Minute

// Play plays one fault. Whatever goes wrong is in the result. If ctx ends before
// the fault was played, everything is ended at once and the result means nothing.
func Play(ctx context.Context, s Settings, f Fault) Result {
	limit := f.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	bounded, cancel := context.WithTimeoutCause(ctx, limit+4*s.BatchDelay, fmt.Errorf("the time for the fault (%v) is over", limit))
	defer cancel()
	result := Result{Name: f.Name, Sink: s.Sink, Recovery: -1}
	r, err := newRig(bounded, s, &f)
	if err != nil {
		result.Failures = []string{err.Error()}
		return result
	}
	if err := f.Play(r); err != nil {
		r.Expect(false, "%v", err)
	}
	if ctx.Err() == nil {
		r.end(&result)
	}
	if err := r.close(); err != nil {
		r.Expect(false, "%v", err)
	}
	result.Failures = r.failures
	return result
}

// end ends the worker and takes everything down that is to be known.
func (r *Rig) end(result *Result) {
	if r.Worker != nil {
		select {
		case <-r.Worker.Ended():
		default:
			if err := r.Stop(); err != nil {
				r.Expect(false, "%v", err)
			}
		}
	}
	stats := r.PubSub.Stats()
	result.Messages, result.Events = stats.Messages, r.sent.distinct()
	result.Nacks, result.Attempts = stats.Nacks, stats.MaxAttempt
	if !r.settled.IsZero() && !r.mark.IsZero() {
		result.Recovery = max(0, r.settled.Sub(r.mark))
		seconds := result.Recovery.Seconds()
		result.Seconds = &seconds
	}
	r.Expect(stats.Unacked == 0 || len(r.failures) > 0, "%d messages were never acknowledged", stats.Unacked)
	a, err := r.audit()
	if err != nil {
		r.Expect(false, "%v", err)
	}
	result.Unique, result.Doubled, result.Copies, result.Dead, result.Lost = a.unique, a.doubled, a.copies, a.dead, a.lost
}

// A Case is a fault with the settings that it is played against.
type Case struct {
	Settings Settings
	Fault    Fault
}

// rank is higher for what takes longer.
func (f *Fault) rank() int {
	if f.Long {
		return 1
	}
	return 0
}

// PlayAll plays cases, so many at once and the long ones first, and hands each
// result over as it comes. It returns the results in the order of the cases; the error is that
// of ctx, and then what was not played is missing.
func PlayAll(ctx context.Context, list []Case, atOnce int, told func(Result)) ([]Result, error) {
	results := make([]*Result, len(list))
	slots := make(chan struct{}, max(1, atOnce))
	var mu sync.Mutex
	var wg sync.WaitGroup
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(list[j].Fault.rank(), list[i].Fault.rank()) })
	for _, i := range order {
		c := list[i]
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			result := Play(ctx, c.Settings, c.Fault)
			if ctx.Err() != nil {
				return // it was broken off, which says nothing
			}
			mu.Lock()
			defer mu.Unlock()
			results[i] = &result
			told(result)
		})
	}
	wg.Wait()
	var played []Result
	for _, r := range results {
		if r != nil {
			played = append(played, *r)
		}
	}
	if err := ctx.Err(); err != nil {
		return played, errors.Join(errors.New("the faults were not played to the end"), err)
	}
	return played, nil
}
