package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"leadsync/sync/backfill"
	"leadsync/transform"
)

// dryRun reads everything, and counts what would become of it.
func (c *backfillCommand) dryRun(ctx context.Context, p *process, job backfill.Config, tell *backfillTeller) error {
	counts, dead := &kindCounts{kinds: map[string]*transform.Tally{}}, &deadRecords{}
	job.Sink, job.Dead = counts, dead.add
	plan, err := backfill.NewPlan(ctx, job)
	if err != nil {
		return err
	}
	summary, _, err := tell.run(ctx, plan)
	if printed := counts.print(p.stdout, summary, dead); printed != nil {
		err = errors.Join(err, fmt.Errorf("print: %w", printed))
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	case summary.Dead > 0:
		return exitStatus(exitDeadLetters)
	default:
		return nil
	}
}

// kindCounts is the sink of a dry run. It keeps no row, but counts by event
// type what the ledger's rows tell.
type kindCounts struct {
	mu    sync.Mutex
	kinds map[string]*transform.Tally // by event type, "" where it is not known
	rows  [transform.NumTables]int64
}

// Write implements [sinks.Sink].
func (k *kindCounts) Write(_ context.Context, rows *transform.Rows) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	ledger := transform.SyncBatches.Table()
	place := slices.IndexFunc(ledger.Columns, func(c transform.Column) bool { return c.Name == "tallies" })
	for id := range k.rows {
		k.rows[id] += int64(rows.Len(transform.TableID(id)))
	}
	var values []any
	for row := range rows.Len(ledger.ID) {
		var err error
		if values, err = ledger.Values(values[:0], rows.Row(ledger.ID, row)); err != nil {
			return fmt.Errorf("count: %w", err)
		}
		tallies, _ := values[place].([][]any) // nil where there are none
		for _, t := range tallies {
			k.add(t)
		}
	}
	return nil
}

// add adds a tally: day, event type, and the four counts.
func (k *kindCounts) add(t []any) {
	kind := asText(t[1])
	if len(k.kinds) >= maxKinds && k.kinds[kind] == nil {
		kind = otherKind
	}
	sum := k.kinds[kind]
	if sum == nil {
		sum = &transform.Tally{EventType: kind}
		k.kinds[kind] = sum
	}
	sum.Written += int(asInt(t[2]))
	sum.Duplicates += int(asInt(t[3]))
	sum.Dead += int(asInt(t[4]))
	sum.Filtered += int(asInt(t[5]))
}

// Ready implements [sinks.Sink].
func (*kindCounts) Ready() error { return nil }

// Close implements [sinks.Sink].
func (*kindCounts) Close() error { return nil }

// print prints the counts, the most frequent event type first.
func (k *kindCounts) print(w io.Writer, s backfill.Summary, dead *deadRecords) error {
	received := func(t *transform.Tally) int { return t.Written + t.Duplicates + t.Dead + t.Filtered }
	kinds := slices.SortedFunc(maps.Values(k.kinds), func(a, b *transform.Tally) int {
		return cmp.Or(cmp.Compare(received(b), received(a)), cmp.Compare(a.EventType, b.EventType))
	})
	rows := [][]string{{"event type", "records", "written", "duplicates", "dead", "filtered"}}
	add := func(name string, t *transform.Tally) {
		row := []string{name}
		for _, n := range []int{received(t), t.Written, t.Duplicates, t.Dead, t.Filtered} {
			row = append(row, grouped(int64(n)))
		}
		rows = append(rows, row)
	}
	for _, t := range kinds {
		name := printable(t.EventType)
		if name == "" {
			name = "–"
		}
		add(name, t)
	}
	add("all", &transform.Tally{Written: int(s.Written), Duplicates: int(s.Duplicates), Dead: int(s.Dead), Filtered: int(s.Filtered)})
	if err := printColumns(w, rows, 1, 2, 3, 4, 5); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s, %s: %s of events_log and %s of transitions_log; nothing was written\n",
		count(int64(s.Files), "file", "files"), sized(s.Bytes),
		count(k.rows[transform.EventsLog], "row", "rows"), count(k.rows[transform.TransitionsLog], "row", "rows"))
	if err != nil || len(dead.first) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w, "\nthe first dead letters:"); err != nil {
		return err
	}
	return dead.printFirst(w)
}
