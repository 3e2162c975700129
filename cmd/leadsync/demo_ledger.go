package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leadsync/sync/simulate"
)

// errLedger is what the demo ends with when the warehouse does not hold what
// the simulation sent.
var errLedger = errors.New("the warehouse does not agree with what was sent")

// ledger prints what became of every message and compares it with the truth.
// redelivered is how many deliveries Pub/Sub made beyond one a message.
func (r *demoReport) ledger(ctx context.Context, truth simulate.Truth, redelivered int64) error {
	sums, err := r.rows(ctx, `
		SELECT
			CAST(SUM(received) AS BIGINT), CAST(SUM(written + duplicates) AS BIGINT), CAST(SUM(dead) AS BIGINT),
			CAST(SUM(filtered) AS BIGINT), COUNT(*) FILTER (received <> written + duplicates + dead + filtered),
			(SELECT COUNT(*) FROM events)
		FROM sync_batches`)
	if err != nil {
		return err
	}
	s := sums[0]
	received, known, dead, filtered, unbalanced, events := asInt(s[0]), asInt(s[1]), asInt(s[2]), asInt(s[3]), asInt(s[4]), asInt(s[5])
	letters, err := r.counts(ctx, "SELECT reason, COUNT(DISTINCT dead_letter_id) FROM dead_letters GROUP BY reason")
	if err != nil {
		return err
	}
	transitions, err := r.counts(ctx, "SELECT dimension, COUNT(*) FROM transitions GROUP BY dimension")
	if err != nil {
		return err
	}

	sent := int64(truth.Events + truth.Copies) // what becomes rows, or is known already
	agree := true
	line := func(ok bool, format string, args ...any) {
		agree = agree && ok
		mark := "agrees"
		if !ok {
			mark = "DISAGREES"
		}
		fmt.Fprintf(r.w, "  %-9s  %s\n", mark, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(r.w, "\nThe ledger, against what was sent\n\n")
	line(received == int64(truth.Messages)+redelivered && received == known+dead+filtered && unbalanced == 0,
		"received %s = written and duplicates %s + dead %s + filtered %s", grouped(received), grouped(known), grouped(dead), grouped(filtered))
	line(events == int64(truth.Events) && known >= sent && known <= sent+redelivered,
		"written and duplicates %s = distinct events %s + copies %s", grouped(known), grouped(events), grouped(known-events))
	line(maps.Equal(letters, truth.Poison), "dead letters: %s", listed(letters))
	line(maps.Equal(transitions, truth.Transitions), "transitions: %s", listed(transitions))
	if !agree {
		return fmt.Errorf("%w: sent %d events, %d copies and %d poisoned messages: %s; telling of transitions: %s", errLedger,
			truth.Events, truth.Copies, truth.Dead(), listed(truth.Poison), listed(truth.Transitions))
	}
	return nil
}

// counts returns the result of a query for names and numbers.
func (r *demoReport) counts(ctx context.Context, sql string) (map[string]int, error) {
	rows, err := r.rows(ctx, sql)
	m := make(map[string]int, len(rows))
	for _, row := range rows {
		m[asText(row[0])] = int(asInt(row[1]))
	}
	return m, err
}

func listed(counts map[string]int) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(counts)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", name, grouped(int64(counts[name])))
	}
	return b.String()
}
