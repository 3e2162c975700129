package faults

import (
	"math/bits"

	"leadsync/transform"
)

// rowFaults are rows that the warehouse refuses, with all, some or none of
// them named in its answer.
func rowFaults() []Fault {
	line := func(name, wrong, does string, listed int) Fault {
		return Fault{
			Name: name, Wrong: wrong, Sink: "bigquery", Class: Data, Does: does,
			Sees: `leadsync_dead_letters_total{reason="row_rejected"}, a line of the log with the fingerprint`,
			Play: func(r *Rig) error { return r.refuseRows(listed, 3) },
		}
	}
	return []Fault{
		line("row-errors-full", "3 rows of 300 are refused, and all of them are named",
			"sends the others again without them; the 3 events become dead letters", -1),
		line("row-errors-short", "3 rows of 300 are refused, and one is named at a time",
			"sends the others again, as often as one is named; the 3 events become dead letters", 1),
		line("row-errors-missing", "3 rows of 300 are refused, and none is named",
			"halves the request until the bad rows are alone; the 3 events become dead letters", 0),
	}
}

// refuseRows publishes 300 events of which the warehouse refuses some rows.
func (r *Rig) refuseRows(listed, bad int) error {
	if err := r.warm(); err != nil {
		return err
	}
	events := r.Events(300)
	refused := map[string]bool{}
	for i := range bad {
		refused[r.EventID(events[50+90*i].Data)] = true
	}
	r.BigQuery.ListRowErrors("events_log", listed)
	r.BigQuery.Refuse("events_log", func(row map[string]any) bool {
		id, _ := row["event_id"].(string)
		return refused[id]
	})
	r.Broken()
	ids := r.Send(events...)
	for i := range bad {
		r.MustDie(ids[50+90*i], transform.RowRejected)
	}
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.expectRetries(Data)
	r.expectLetters(transform.RowRejected, bad)
	r.ExpectGreen(recovery)
	return nil
}

// halvings is how often n rows can be halved until one is left.
func halvings(n int) int { return bits.Len(uint(max(0, n-1))) }
