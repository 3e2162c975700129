package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/transform"
)

// What a worker is expected to take on two cores.
const (
	expectedCPU = 3 * time.Second // per 100,000 events
	expectedRSS = 200 << 20
)

// Figures are the outcome of a run.
type Figures struct {
	Pulled
	Stored
	Usage
}

// perSecond is how many events were worked off in a second.
func (f Figures) perSecond() float64 { return float64(f.Messages) / f.Took.Seconds() }

// cpu is the CPU time per 100,000 events.
func (f Figures) cpu() time.Duration { return f.CPU * 100_000 / time.Duration(f.Messages) }

// String says it in lines of one figure each.
func (f Figures) String() string {
	var b strings.Builder
	line := func(value float64, decimals int, format string, args ...any) {
		fmt.Fprintf(&b, "%10.*f "+format+"\n", append([]any{decimals, value}, args...)...)
	}
	verdict := func(ok bool) string {
		if ok {
			return "as expected"
		}
		return "MORE than expected"
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

	line(f.perSecond(), 0, "events/s (%.1f s)", f.Took.Seconds())
	line(f.cpu().Seconds(), 2, "CPU s per 100,000 events: %s (at most %.0f)",
		verdict(f.cpu() <= expectedCPU), expectedCPU.Seconds())
	if f.PeakRSS > 0 {
		line(mib(f.PeakRSS), 0, "MiB peak memory: %s (at most %.0f)", verdict(f.PeakRSS <= expectedRSS), mib(expectedRSS))
	}
	line(ms(f.P50), 0, "ms from delivery to acknowledgement (median; 99%%: %.0f, longest: %.0f)", ms(f.P99), ms(f.Max))
	for i, t := range transform.Tables() {
		if n := float64(f.Requests[i]); n > 0 {
			line(float64(f.Rows[i]), 0, "rows of %s in %.0f appends (%.0f rows, %.0f KiB each)", t.Name, n,
				float64(f.Rows[i])/n, float64(f.Bytes[i])/n/1024)
		}
	}
	return b.String()
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// median takes every figure for itself from the runs, counts from the last.
func median(all []Figures) Figures {
	m := all[len(all)-1]
	m.Took = middle(all, func(f Figures) time.Duration { return f.Took })
	m.CPU = middle(all, func(f Figures) time.Duration { return f.CPU })
	m.PeakRSS = middle(all, func(f Figures) int { return f.PeakRSS })
	m.P50 = middle(all, func(f Figures) time.Duration { return f.P50 })
	m.P99 = middle(all, func(f Figures) time.Duration { return f.P99 })
	m.Max = middle(all, func(f Figures) time.Duration { return f.Max })
	return m
}

func middle[T cmp.Ordered](all []Figures, of func(Figures) T) T {
	var list []T
	for _, f := range all {
		list = append(list, of(f))
	}
	slices.Sort(list)
	return list[len(list)/2]
}
