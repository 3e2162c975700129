//go:build cgo && !noduckdb

package duckdb_test

import (
	"fmt"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// dusk is when the deliveries below happen: 10 seconds before midnight in
// UTC+8. Times are told in milliseconds from it.
var dusk = time.Date(2024, 2, 29, 15, 59, 50, 0, time.UTC)

func after(ms int) time.Time { return dusk.Add(time.Duration(ms) * time.Millisecond) }

// An arrived event is one row of events_log, as far as its delivery goes.
type arrived struct {
	kind                          string // the event type
	occurred, published, ingested int    // published below 0: unknown
	source                        string // empty means pubsub
}

func (a arrived) row(i int) []any {
	values := map[string]any{
		"event_id": fmt.Sprintf("%s-%d-%d", a.kind, a.occurred, a.published), "sequence": fmt.Sprint(i),
		"occurred_at": after(a.occurred), "tenant_id": "941", "event_type": a.kind,
		"published_at": after(a.published), "ingested_at": after(a.ingested), "ingest_source": a.source,
	}
	if a.published < 0 {
		values["published_at"] = nil
	}
	if a.source == "" {
		values["ingest_source"] = "pubsub"
	}
	return tableRow(transform.EventsLog, values)
}

// batch returns a row of the ledger with as many events received as written.
func batch(id string, started, committed, minOccurred, maxOccurred, received int) transform.Batch {
	return transform.Batch{
		ID: id, WorkerID: "w1", Source: "pubsub", Received: received, Written: received,
		MinOccurredAt: after(minOccurred), MaxOccurredAt: after(maxOccurred), StartedAt: after(started), CommittedAt: after(committed),
	}
}

// delivered returns a database in memory with these events and batches.
func delivered(t *testing.T, events []arrived, batches []transform.Batch) *duckdb.DB {
	t.Helper()
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	t.Cleanup(func() { _ = db.Close() })
	var rows transform.Rows
	for i, e := range events {
		sinktest.Append(&rows, transform.EventsLog, e.row(i))
	}
	for _, b := range batches {
		rows.AppendBatch(b)
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	return db
}

// Catches a delay measured to another batch than the one that can have
// written the row, or to one that flatters; one rounded down to 60 seconds; a
// day of another zone; an event without publish time counted, or one that was a
// dead letter; and an event counted as often as it was delivered.
func TestFreshness(t *testing.T) {
	db := delivered(t, []arrived{
		{"in its batch", 0, 0, 600, ""},
		{"in its batch", 0, 0, 3_000, ""}, // delivered again
		{"in the batch of its time", -9_000, 0, 600, ""},
		{"in the later of two", 20, 0, 4_000, ""},
		{"at the edges", 0, 0, 500, ""}, {"at the edges", 10, 1, 2_250, ""},
		{"of another source", 0, 0, 600, "push"},
		{"before the batch", 0, 0, 499, ""}, {"after the batch", -9_000, 0, 9_001, ""},
		{"unpublished", 0, -1, 600, ""},
		{"replayed", 0, 0, 600, "replay"}, {"replayed again", 0, 0, 600, ""}, {"replayed again", 0, 0, 700, "replay"},
		{"a minute", 100_000, 100_000, 150_000, ""},
		{"a minute and a millisecond", 100_000, 99_999, 150_000, ""},
		{"at midnight", 0, 9_999, 600, ""}, {"at midnight", 0, 10_000, 600, ""},
		{"several", 50, 300_001, 300_101, "backfill"}, {"several", 51, 300_001, 300_201, "backfill"},
		{"several", 52, 300_001, 300_301, "backfill"}, {"several", 53, 300_001, 400_000, "backfill"},
	}, []transform.Batch{
		batch("b1", 500, 2_250, 0, 10, 9), batch("b1", 500, 2_250, 0, 10, 9),
		batch("b2", 500, 9_000, -9_000, -8_000, 1),
		batch("b3", 3_900, 5_000, 20, 30, 1), batch("b4", 3_800, 4_500, 20, 30, 1),
		batch("b5", 90_000, 160_000, 100_000, 100_000, 2),
		{ID: "b6", WorkerID: "w1", Source: "pubsub", Received: 1, Dead: 1, StartedAt: after(0), CommittedAt: after(500_000)},
	})
	answers(t, db, `SELECT event_type, day, events, within_60_seconds, share_within_60_seconds, median_seconds, p90_seconds, max_seconds
		FROM freshness ORDER BY ALL`,
		"a minute 2024-03-01 1 1 1 60 60 60",
		"a minute and a millisecond 2024-03-01 1 0 0 60.001 60.001 60.001",
		"after the batch 2024-02-29 1 1 1 9.001 9.001 9.001",
		"at midnight 2024-02-29 1 1 1 -7.749 -7.749 -7.749",
		"at midnight 2024-03-01 1 1 1 -7.75 -7.75 -7.75",
		"at the edges 2024-02-29 2 2 1 2.249 2.25 2.25",
		"before the batch 2024-02-29 1 1 1 0.499 0.499 0.499",
		"in its batch 2024-02-29 1 1 1 2.25 2.25 2.25",
		"in the batch of its time 2024-02-29 1 1 1 9 9 9",
		"in the later of two 2024-02-29 1 1 1 5 5 5",
		"of another source 2024-02-29 1 1 1 0.6 0.6 0.6",
		"replayed again 2024-02-29 1 1 1 2.25 2.25 2.25",
		"several 2024-03-01 4 3 0.75 0.2 99.999 99.999",
	)
	answers(t, db, "SELECT DISTINCT typeof(share_within_60_seconds), typeof(median_seconds), typeof(max_seconds) FROM freshness", "DOUBLE DOUBLE DOUBLE")
}

// Catches a ledger that counts a copy of a row, adds up days of another zone
// or several sources, or hides one batch that is out of balance behind another.
func TestLedgerDaily(t *testing.T) {
	of := func(b transform.Batch, change func(*transform.Batch)) transform.Batch {
		change(&b)
		return b
	}
	db := delivered(t, nil, []transform.Batch{
		batch("b1", 0, 1_000, 0, 0, 10), batch("b1", 0, 1_000, 0, 0, 10),
		of(batch("b2", 0, 9_999, 0, 0, 10), func(b *transform.Batch) {
			b.WorkerID, b.Written, b.Duplicates, b.Dead, b.Filtered = "w2", 4, 3, 2, 1
		}),
		// Out of balance, the one by as much as the other.
		of(batch("b3", 9_000, 10_000, 0, 0, 5), func(b *transform.Batch) { b.Written = 4 }),
		of(batch("b4", 9_000, 11_000, 0, 0, 5), func(b *transform.Batch) { b.Written = 6 }),
		of(batch("b5", 9_000, 12_000, 0, 0, 1), func(b *transform.Batch) { b.Source = "push" }),
	})
	second := func(ms int) string { return fmt.Sprintf("@%v", after(ms).Sub(start).Seconds()) }
	answers(t, db, "SELECT * FROM ledger_daily ORDER BY day, ingest_source",
		"2024-02-29 pubsub 2 2 20 14 3 2 1 true "+second(1_000)+" "+second(9_999),
		"2024-03-01 pubsub 2 1 10 10 0 0 0 false "+second(10_000)+" "+second(11_000),
		"2024-03-01 push 1 1 1 1 0 0 0 true "+second(12_000)+" "+second(12_000),
	)
	answers(t, db, "SELECT DISTINCT typeof(batches), typeof(received), typeof(filtered) FROM ledger_daily", "BIGINT BIGINT BIGINT")
}
