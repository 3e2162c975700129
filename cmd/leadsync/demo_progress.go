package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"leadsync/sinks"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// demoCounts counts what goes on in the demo. It observes the pipeline and
// the sink.
type demoCounts struct {
	published atomic.Int64
	complete  atomic.Bool // everything has been published
	received  atomic.Int64
	outcomes  [8]atomic.Int64
	rows      [transform.NumTables]atomic.Int64
}

var (
	_ pipeline.Observer = (*demoCounts)(nil)
	_ sinks.Observer    = (*demoCounts)(nil)
)

func (c *demoCounts) Received(n int) { c.received.Add(int64(n)) }

func (c *demoCounts) Settled(o pipeline.Outcome, n int) { c.outcomes[o].Add(int64(n)) }

func (c *demoCounts) Appended(table transform.TableID, rows, _ int, _ time.Duration) {
	c.rows[table].Add(int64(rows))
}

func (c *demoCounts) DeadLetter(transform.Reason) {}

func (c *demoCounts) UnknownField(transform.Part, string, int) {}

func (c *demoCounts) BatchClosed(int, int, time.Duration) {}

func (c *demoCounts) Durable(time.Duration) {}

func (c *demoCounts) Retried(transform.TableID, sinks.Class) {}

// durable returns how many messages need nothing more.
func (c *demoCounts) durable() int64 {
	n := int64(0)
	for _, o := range pipeline.Outcomes {
		if o.Durable() {
			n += c.outcomes[o].Load()
		}
	}
	return n
}

// wait returns once fewer than that many published messages are unsettled.
func (c *demoCounts) wait(ctx context.Context, ahead int64) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for c.published.Load()-c.durable() >= ahead {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// demoStall is how long nothing may happen before the demo gives up.
const demoStall = 30 * time.Second

// watch tells how it goes until everything published is durable: in a line
// that changes on a terminal, else in a line every two seconds. It gives up
// when nothing moves.
func (c *demoCounts) watch(ctx context.Context, w io.Writer, terminal bool) error {
	start := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	live := &liveLine{w: w}
	last, moved, told := int64(-1), start, start
	for {
		n := c.published.Load() + c.durable()
		if n != last {
			last, moved = n, time.Now()
		}
		done := c.complete.Load() && c.durable() >= c.published.Load()
		switch {
		case terminal:
			live.show(c.line(time.Since(start)))
		case done || time.Since(told) >= 2*time.Second:
			fmt.Fprintln(w, c.line(time.Since(start)))
			told = time.Now()
		}
		if done || ctx.Err() != nil || time.Since(moved) > demoStall {
			live.keep()
			if done || ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("nothing has moved for %v: %s", demoStall, c.line(time.Since(start)))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (c *demoCounts) line(took time.Duration) string {
	durable := c.durable()
	return fmt.Sprintf("published %s, received %s, durable %s (%s/s); rows: events %s, transitions %s, dead letters %s, batches %s",
		grouped(c.published.Load()), grouped(c.received.Load()), grouped(durable), grouped(int64(float64(durable)/took.Seconds())),
		grouped(c.rows[transform.EventsLog].Load()), grouped(c.rows[transform.TransitionsLog].Load()),
		grouped(c.rows[transform.DeadLetters].Load()), grouped(c.rows[transform.SyncBatches].Load()))
}
