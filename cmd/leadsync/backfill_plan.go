package main

import (
	"context"
	"fmt"
	"io"

	"leadsync/sinks"
	"leadsync/sync/backfill"
	"leadsync/transform"
)

// loadedTables are the tables that each part of a backfill has rows for, most
// often: without dead letters there are none of theirs.
var loadedTables = []transform.TableID{transform.EventsLog, transform.TransitionsLog, transform.SyncBatches, transform.DeadLetters}

// plan prints what there is to do, and who does what.
func (c *backfillCommand) plan(ctx context.Context, p *process, job backfill.Config) error {
	if job.Via != viaAppend {
		job.Loader = struct{ sinks.Loader }{} // there are parts, and nobody begins one
	}
	plan, err := backfill.NewPlan(ctx, job)
	if err != nil {
		return err
	}
	records, err := plan.Estimate(ctx)
	if err != nil {
		return err
	}
	if err := printBackfillPlan(p.stdout, plan, job, records); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func printBackfillPlan(w io.Writer, plan *backfill.Plan, job backfill.Config, records int64) error {
	var all backfill.Share
	for _, s := range plan.Shares {
		all.Units, all.Parts, all.Bytes = all.Units+s.Units, all.Parts+s.Parts, all.Bytes+s.Bytes
	}
	all.Files = len(plan.Files)
	parts := job.Via != viaAppend
	rows := [][]string{{"task", "files", "units", "bytes", "records (about)"}}
	if parts {
		rows[0] = append(rows[0], "parts")
	}
	add := func(name string, s backfill.Share) {
		share := int64(0)
		if all.Bytes > 0 {
			share = int64(float64(records) * float64(s.Bytes) / float64(all.Bytes))
		}
		row := []string{name, grouped(int64(s.Files)), grouped(int64(s.Units)), sized(s.Bytes), grouped(share)}
		if parts {
			row = append(row, grouped(int64(s.Parts)))
		}
		rows = append(rows, row)
	}
	for i, s := range plan.Shares {
		add(fmt.Sprint(i), s)
	}
	add("all", all)
	numbers := []int{1, 2, 3, 4, 5}
	if err := printColumns(w, rows, numbers[:len(rows[0])-1]...); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\nabout %s of events_log, and those of transitions_log that they tell of\n", count(records, "row", "rows")); err != nil {
		return err
	}
	var err error
	switch job.Via {
	case viaAppend:
		_, err = fmt.Fprintln(w, "appended to the embedded warehouse, by one task after the other")
	case viaStream:
		_, err = fmt.Fprintf(w, "by BigQuery's streams, each part committed as a whole: no jobs\n")
	default:
		_, err = fmt.Fprintf(w, "by up to %s of BigQuery, one for each table and part; a table takes 1,500 a day\n",
			count(int64(all.Parts*len(loadedTables)), "load job", "load jobs"))
	}
	return err
}
