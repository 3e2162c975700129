package faults

import (
	"strings"
	"time"
)

// setupFaults are tables and rights that are not what they should be: a person
// must act.
func setupFaults() []Fault {
	return []Fault{
		{
			Name: "permission-lost", Wrong: "the right to write to a table is taken away, and given back later", Sink: "bigquery", Class: Setup,
			Does: handled[Setup].does, Sees: "/readyz and the log name the table and the role that is missing, at once", Play: permissionLost,
		},
		{
			Name: "table-dropped", Wrong: "a table is dropped, and made again by schema apply", Sink: "bigquery", Class: Setup,
			Does: handled[Setup].does, Sees: `/readyz and the log name the table and "leadsync schema apply", at once`, Play: tableDropped,
		},
		{
			Name: "dead-letters-dropped", Wrong: "dead_letters is dropped while there are dead letters to write", Sink: "bigquery", Class: Setup,
			Does: "holds the whole batch: what cannot be kept is not acknowledged", Sees: `/readyz and the log name dead_letters and "leadsync schema apply", at once`, Play: deadLettersDropped,
		},
		{
			Name: "table-altered", Wrong: "a column that rows need is gone from a table while the worker runs", Sink: "bigquery", Class: Setup,
			Does: "looks at the table before any row is called bad; holds the messages", Sees: `/readyz and the log name the column and "leadsync schema apply"`, Play: tableAltered,
		},
		{
			Name: "schema-behind", Wrong: "a column is missing when the worker starts", Sink: "bigquery", Class: Setup,
			Does: "pulls nothing and looks again every 3 s: others go on with the messages", Sees: `the log names the column and "leadsync schema apply"`, Play: func(r *Rig) error { return r.schemaBehind(0) },
		},
		{
			Name: "schema-lag", Wrong: "after schema apply the write API does not know the new column for some appends", Sink: "bigquery", Class: Setup,
			Does: handled[Setup].does, Sees: handled[Setup].sees, Play: func(r *Rig) error { return r.schemaBehind(2) },
		},
		{
			Name: "schema-lag-stream", Wrong: "after schema apply streams that were open do not know the new column", Sink: "bigquery", Class: Setup,
			Does: "opens the stream again", Sees: handled[Setup].sees, Play: func(r *Rig) error {
				r.BigQuery.Lag("events_log", -1)
				return tableAltered(r)
			},
		},
	}
}

func permissionLost(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Deny("events_log", true)
	r.Publish(200)
	r.ExpectRed(alarm, "events_log", string(Setup), "roles/bigquery.dataEditor")
	r.BigQuery.Deny("events_log", false)
	return r.mended()
}

// tableDropped drops the table before anything is in it: what is dropped with
// a table is gone.
func tableDropped(r *Rig) error {
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.BigQuery.Drop("events_log"); err != nil {
		return err
	}
	r.Publish(200)
	r.ExpectRed(alarm, "events_log", string(Setup), "leadsync schema apply")
	if err := r.Apply(); err != nil {
		return err
	}
	return r.mended()
}

func deadLettersDropped(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	if err := r.BigQuery.Drop("dead_letters"); err != nil {
		return err
	}
	events := r.Events(50)
	events[10].Data = events[10].Data[:len(events[10].Data)/2]
	ids := r.Send(events...)
	r.ExpectRed(alarm, "dead_letters", string(Setup), "leadsync schema apply")
	r.Expect(!r.acked(ids[10]), "a message was acknowledged while its dead letter could not be written")
	if err := r.Apply(); err != nil {
		return err
	}
	return r.mended()
}

func tableAltered(r *Rig) error {
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.BigQuery.DropColumn("events_log", "notes"); err != nil {
		return err
	}
	r.Publish(200)
	r.ExpectRed(alarm, "events_log", string(Setup), "leadsync schema apply")
	if err := r.Apply(); err != nil {
		return err
	}
	return r.mended()
}

// schemaBehind starts the worker on a table that an earlier version made.
// After schema apply so many appends do not know the new column yet.
func (r *Rig) schemaBehind(lag int) error {
	if err := r.BigQuery.DropColumn("events_log", "extra"); err != nil {
		return err
	}
	r.BigQuery.Lag("events_log", lag)
	if err := r.Launch(); err != nil {
		return err
	}
	r.Publish(200)
	r.Expect(r.Within(alarm, func() bool {
		return holds(r.Worker.Log(), []string{"the worker waits", "column extra", "leadsync schema apply"})
	}), "the log does not say what the worker waits for: %s", strings.TrimSpace(r.Worker.Log()))
	r.Sleep(200 * time.Millisecond)
	r.Expect(r.PubSub.Stats().Deliveries == 0, "messages were pulled that could not be written")
	if err := r.Apply(); err != nil {
		return err
	}
	r.Healed()
	if err := r.Worker.await(r.ctx); err != nil {
		return err
	}
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.ExpectGreen(recovery)
	if lag > 0 {
		r.expectRetries(Setup)
	}
	return nil
}
