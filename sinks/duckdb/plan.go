//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"leadsync/sinks"
	"leadsync/transform"
)

// Plan compares tables and views with their definitions. New columns are
// added and views replaced; a column of another type, or a new one that must
// not be NULL, is refused. A column that is not known here stays. See
// [sinks.Warehouse].
func (d *DB) Plan(ctx context.Context) (sinks.Plan, error) {
	plan, err := d.plan(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan warehouse %s: %w", d.cfg.Path, err)
	}
	return plan, nil
}

func (d *DB) plan(ctx context.Context) (sinks.Plan, error) {
	views := sinks.Views(sinks.DuckDB(d.cfg.Zone))
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.pool == nil {
		return nil, errNotOpen
	}
	have, err := readCatalog(ctx, d.pool)
	if err != nil {
		return nil, err
	}
	var want map[string]*relation
	if len(have) > 0 { // nothing is compared with an empty database
		if want, err = defined(ctx, views); err != nil {
			return nil, fmt.Errorf("carry out the definitions: %w", err)
		}
	}
	if slices.ContainsFunc(views, func(v sinks.View) bool { return have[v.Name].differs(want[v.Name]) }) {
		if err := defineStored(ctx, views, want); err != nil {
			return nil, fmt.Errorf("store the definitions: %w", err)
		}
	}
	var plan sinks.Plan
	tables := transform.Tables()
	for i := range tables {
		t := &tables[i]
		plan = append(plan, planTable(t, want[t.Name], have[t.Name])...)
	}
	for _, v := range views {
		plan = append(plan, planView(v, want[v.Name], have[v.Name])...)
	}
	return plan, nil
}

// planTable returns what makes the table in the catalog, nil if there is
// none, the wanted one.
func planTable(t *transform.Table, want, have *relation) sinks.Plan {
	object := "table " + t.Name
	switch {
	case have == nil:
		return sinks.Plan{{Object: object, Action: "create", SQL: createTable(t) + describeTable(t)}}
	case have.view:
		return sinks.Plan{{Object: object, Action: "create", Refused: "a view has that name"}}
	}
	var plan sinks.Plan
	if have.comment != t.Description {
		plan = append(plan, sinks.Change{Object: object, Action: "describe", SQL: commentOn("TABLE", t.Name, t.Description)})
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		for _, change := range planColumn(t, c, want.columns[c.Name], have.columns[c.Name]) {
			change.Object = object
			plan = append(plan, change)
		}
	}
	for name, c := range have.columns {
		if c.required && want.columns[name] == nil {
			plan = append(plan, sinks.Change{Object: object, Action: "leave column " + name,
				Refused: "it is required, and this version has no value for it"})
		}
	}
	return plan
}

func planColumn(t *transform.Table, c *transform.Column, want, have *column) sinks.Plan {
	comment := commentOn("COLUMN", t.Name+"."+c.Name, c.Description)
	switch {
	case have == nil && want.required:
		return sinks.Plan{{Action: "add column " + c.Name,
			Refused: "it is required, and the rows that are there have no value for it"}}
	case have == nil:
		return sinks.Plan{{Action: "add column " + c.Name,
			SQL: fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s;\n%s", t.Name, columnDefinition(c), comment)}}
	case have.dataType != want.dataType:
		return sinks.Plan{{Action: "change column " + c.Name,
			Refused: fmt.Sprintf("it is %s and must be %s", have.dataType, want.dataType)}}
	}
	var plan sinks.Plan
	if have.required && !want.required {
		plan = append(plan, sinks.Change{Action: "relax column " + c.Name,
			SQL: fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;\n", t.Name, c.Name)})
	}
	if have.comment != c.Description {
		plan = append(plan, sinks.Change{Action: "describe column " + c.Name, SQL: comment})
	}
	return plan
}

func planView(v sinks.View, want, have *relation) sinks.Plan {
	object := "view " + v.Name
	switch {
	case have == nil:
		return sinks.Plan{{Object: object, Action: "create", SQL: createView(v) + describeView(v)}}
	case !have.view:
		return sinks.Plan{{Object: object, Action: "create", Refused: "a table has that name"}}
	case have.differs(want): // and with it go the descriptions
		return sinks.Plan{{Object: object, Action: "replace", SQL: createView(v) + describeView(v)}}
	case !have.describes(v):
		return sinks.Plan{{Object: object, Action: "describe", SQL: describeView(v)}}
	}
	return nil
}

var errNotOpen = errors.New("the database is not open")

// Apply carries out the plan in one transaction: all of it or nothing. See
// [sinks.Warehouse].
func (d *DB) Apply(ctx context.Context, plan sinks.Plan) error {
	if err := d.apply(ctx, plan); err != nil {
		return fmt.Errorf("apply plan to warehouse %s: %w", d.cfg.Path, err)
	}
	return nil
}

func (d *DB) apply(ctx context.Context, plan sinks.Plan) error {
	if err := plan.Refused(); err != nil {
		return err
	}
	if len(plan) == 0 {
		return nil
	}
	if d.cfg.ReadOnly {
		return errors.New("it is open for reading only")
	}
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	if d.pool == nil {
		return errNotOpen
	}
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing once committed
	for _, c := range plan {
		if _, err := tx.ExecContext(ctx, c.SQL); err != nil {
			return fmt.Errorf("%s: %s: %w", c.Object, c.Action, err)
		}
	}
	return tx.Commit()
}
