package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A verdict is how something was found.
type verdict string

// The verdicts, as they are printed.
const (
	fine    verdict = "ok"
	warned  verdict = "warning"
	failed  verdict = "FAIL"
	skipped verdict = "skipped"
)

// A finding is one line of the doctor's report. It holds no secret and no
// value of an event.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Found   string  `json:"found"`
	Mend    string  `json:"mend,omitempty"` // what to do about it: a command or a setting
}

func isFine(check, format string, args ...any) finding {
	return finding{check, fine, fmt.Sprintf(format, args...), ""}
}

func isSkipped(check, why string) finding { return finding{check, skipped, "because " + why, ""} }

// A check looks at one thing, once everything it needs has been found in order.
type check struct {
	name  string
	needs []string
	run   func(context.Context) []finding

	done  chan struct{} // closed when the others are there
	found []finding
	left  bool // it did not end and goes on
}

// barred says why nothing can be built on the check; "" when it was in order.
func (c *check) barred() string {
	verdicts := map[verdict]int{}
	for _, f := range c.found {
		verdicts[f.Verdict]++
	}
	switch {
	case verdicts[failed] > 0:
		return c.name + " failed"
	case len(c.found) > 0 && verdicts[skipped] == len(c.found):
		return c.name + " was skipped"
	}
	return ""
}

// A ward is checks that run side by side, each after those it needs.
type ward struct {
	checks []*check
	byName map[string]*check
	grace  time.Duration // that a check is given after its deadline to say something better
}

func newWard() *ward { return &ward{byName: map[string]*check{}, grace: time.Second} }

// add enlists a check. Those that it needs must have been enlisted before it.
func (w *ward) add(name string, run func(context.Context) []finding, needs ...string) {
	for _, need := range needs {
		if w.byName[need] == nil {
			panic("check " + name + " needs " + need + ", which is not there")
		}
	}
	c := &check{name: name, needs: needs, run: run, done: make(chan struct{})}
	w.checks = append(w.checks, c)
	w.byName[name] = c
}

// start begins all checks, each of which may take timeout. A check that a
// prerequisite bars is skipped.
func (w *ward) start(ctx context.Context, timeout time.Duration) {
	for _, c := range w.checks {
		go func() {
			defer close(c.done)
			for _, need := range c.needs {
				n := w.byName[need]
				<-n.done
				if why := n.barred(); why != "" {
					c.found = []finding{isSkipped(c.name, why)}
					return
				}
			}
			c.found = w.bounded(ctx, c, timeout)
		}()
	}
}

// bounded runs a check and answers for it when it does not end: not all that
// a check waits for, a disk for one, knows of deadlines.
func (w *ward) bounded(ctx context.Context, c *check, timeout time.Duration) []finding {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := make(chan []finding, 1)
	go func() { result <- c.run(ctx) }()
	select {
	case found := <-result:
		return found
	case <-ctx.Done():
	}
	select {
	case found := <-result:
		return found
	case <-time.After(w.grace):
		c.left = true
		return []finding{{c.name, failed, fmt.Sprintf("no answer within %v", timeout),
			"see what it waits for; --timeout gives a slow network more time"}}
	}
}

// findings yields what the checks find, in their order, as soon as it is
// there.
func (w *ward) findings() iter.Seq[finding] {
	return func(yield func(finding) bool) {
		for _, c := range w.checks {
			<-c.done
			for f := range slices.Values(c.found) {
				if !yield(f) {
					return
				}
			}
		}
	}
}
