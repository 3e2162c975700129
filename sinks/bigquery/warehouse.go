package bigquery

import (
	"context"
	"fmt"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
	"leadsync/transform"
)

// Warehouse looks after the tables and views of a dataset and queries them.
// It implements [sinks.Warehouse] and is safe for concurrent use.
type Warehouse struct {
	config  Config
	client  *bq.Client
	dataset *bq.Dataset
}

var _ sinks.Warehouse = (*Warehouse)(nil)

// OpenWarehouse returns the warehouse of the configuration. It calls nobody
// but those who give out credentials; the dataset need not exist.
func OpenWarehouse(ctx context.Context, c Config) (*Warehouse, error) {
	client, c, err := openREST(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Warehouse{config: c, client: client, dataset: client.Dataset(c.Dataset)}, nil
}

// Close implements [sinks.Warehouse].
func (w *Warehouse) Close() error {
	if err := w.client.Close(); err != nil {
		return fmt.Errorf("close bigquery: %w", err)
	}
	return nil
}

// An object is one thing that has a definition: the dataset, a table, a view.
type object struct {
	name string // as in [sinks.Change]
	// diff compares it with its definition. mend makes the changes, all at
	// once; it is nil when there are none, and not to be called when one is
	// refused.
	diff func(context.Context) (changes []sinks.Change, mend func(context.Context) error, err error)
}

// objects returns all objects, each after those it needs.
func (w *Warehouse) objects() []object {
	list := []object{{name: "dataset " + w.config.Dataset, diff: w.diffDataset}}
	tables := transform.Tables()
	for i := range tables {
		t := &tables[i]
		list = append(list, object{name: "table " + t.Name, diff: func(ctx context.Context) ([]sinks.Change, func(context.Context) error, error) {
			return w.diffTable(ctx, t)
		}})
	}
	for _, v := range sinks.Views(w.config.dialect()) {
		name, diff := "view "+v.Name, w.diffView
		if v.Materialized {
			name, diff = "materialized view "+v.Name, w.diffMaterialized
		}
		list = append(list, object{name: name, diff: func(ctx context.Context) ([]sinks.Change, func(context.Context) error, error) {
			return diff(ctx, v)
		}})
	}
	return list
}

// Plan implements [sinks.Warehouse].
func (w *Warehouse) Plan(ctx context.Context) (sinks.Plan, error) {
	var plan sinks.Plan
	for _, o := range w.objects() {
		changes, _, err := o.look(ctx)
		if err != nil {
			return nil, fmt.Errorf("plan schema: %w", err)
		}
		plan = append(plan, changes...)
	}
	return plan, nil
}

// Apply implements [sinks.Warehouse]. It looks at every object of the plan
// again before it changes it, so a plan that somebody else has carried out
// meanwhile changes nothing.
func (w *Warehouse) Apply(ctx context.Context, plan sinks.Plan) error {
	if err := plan.Refused(); err != nil {
		return fmt.Errorf("apply schema: %w", err)
	}
	named := make(map[string]bool)
	for _, c := range plan {
		named[c.Object] = true
	}
	for _, o := range w.objects() {
		if named[o.name] {
			if err := o.apply(ctx); err != nil {
				return fmt.Errorf("apply schema: %w", err)
			}
		}
	}
	return nil
}

// applyTries is how often an object is looked at: once to change it, once to
// describe a new view's columns, once more when somebody else was faster.
const applyTries = 3

// apply changes the object until it agrees with its definition.
func (o *object) apply(ctx context.Context) error {
	var last error
	for range applyTries {
		changes, mend, err := o.look(ctx)
		if err != nil {
			return err
		}
		if err := sinks.Plan(changes).Refused(); err != nil {
			return err
		}
		if mend == nil {
			return nil
		}
		if last = o.mend(ctx, mend); last != nil && !isConflict(last) {
			return last
		}
	}
	if last == nil {
		return nil // the last change was made and is not looked at again
	}
	return last
}

func (o *object) look(ctx context.Context) ([]sinks.Change, func(context.Context) error, error) {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	changes, mend, err := o.diff(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("look at %s: %w", o.name, err)
	}
	if len(changes) == 0 {
		mend = nil
	}
	return changes, mend, nil
}

func (o *object) mend(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	if err := f(ctx); err != nil {
		return fmt.Errorf("change %s: %w", o.name, err)
	}
	return nil
}
