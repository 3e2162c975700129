package faults

import (
	"context"
	"errors"

	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// row is a row of a table, by column; NULL columns may be absent.
type row = map[string]any

// contents are what is in a warehouse.
type contents struct {
	rows  [transform.NumTables][]row
	views []view // only where there is somebody to ask
}

// A view is how many facts it shows, and how many its table holds.
type view struct{ shown, facts int }

// audited are the tables that are looked at.
var audited = []transform.TableID{transform.EventsLog, transform.TransitionsLog, transform.DeadLetters, transform.SyncBatches}

// read reads the warehouse, which no worker may have open if it is a file.
func (r *Rig) read() (c contents, err error) {
	if r.BigQuery != nil {
		for _, id := range audited {
			c.rows[id] = r.BigQuery.Rows(id.String())
		}
		return c, nil
	}
	// What is looked at after the time is over still says what was lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), defaultLimit)
	defer cancel()
	db, err := duckdb.Open(ctx, duckdb.Config{Path: r.Database, ReadOnly: true})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, id := range audited {
		if c.rows[id], err = query(ctx, db, "SELECT * FROM "+id.String()); err != nil {
			return c, err
		}
	}
	for _, v := range []struct{ view, table, key string }{
		{"events", "events_log", "event_id"},
		{"transitions", "transitions_log", "(event_id, dimension)"},
	} {
		counts, err := query(ctx, db, "SELECT (SELECT COUNT(*) FROM "+v.view+") AS shown, (SELECT COUNT(DISTINCT "+v.key+") FROM "+v.table+") AS facts")
		if err != nil {
			return c, err
		}
		shown, _ := counts[0]["shown"].(int64)
		facts, _ := counts[0]["facts"].(int64)
		c.views = append(c.views, view{int(shown), int(facts)})
	}
	return c, nil
}

func query(ctx context.Context, db *duckdb.DB, sql string) (rows []row, err error) {
	var names []string
	err = db.Query(ctx, sql, func(columns []string) error {
		names = append(names, columns...)
		return nil
	}, func(values []any) error {
		m := make(row, len(values))
		for i, v := range values {
			m[names[i]] = v
		}
		rows = append(rows, m)
		return nil
	})
	return rows, err
}
