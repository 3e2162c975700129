package bigquery

import (
	"context"
	"fmt"
	"strings"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
	"leadsync/transform"
)

func (w *Warehouse) diffDataset(ctx context.Context) ([]sinks.Change, func(context.Context) error, error) {
	change := sinks.Change{Object: "dataset " + w.config.Dataset}
	live, err := w.dataset.Metadata(ctx)
	switch {
	case isNotFound(err):
		change.Action, change.SQL = "create", createDatasetSQL(w.config)
		return []sinks.Change{change}, func(ctx context.Context) error {
			return w.dataset.Create(ctx, &bq.DatasetMetadata{Location: w.config.Location})
		}, nil
	case err != nil:
		return nil, nil, err
	case w.config.Location != "" && !strings.EqualFold(live.Location, w.config.Location):
		change.Action = "move to " + w.config.Location
		change.Refused = fmt.Sprintf("it is in %s, and a dataset cannot be moved", live.Location)
		return []sinks.Change{change}, nil, nil
	}
	return nil, nil, nil
}

func (w *Warehouse) diffTable(ctx context.Context, t *transform.Table) ([]sinks.Change, func(context.Context) error, error) {
	table := w.dataset.Table(t.Name)
	live, err := table.Metadata(ctx, bq.WithMetadataView(bq.BasicMetadataView))
	if isNotFound(err) {
		change := sinks.Change{Object: "table " + t.Name, Action: "create", SQL: createTableSQL(w.config, t)}
		return []sinks.Change{change}, func(ctx context.Context) error {
			return table.Create(ctx, metadataOf(t, w.config))
		}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	d := diffTable(w.config, t, live)
	return d.changes, func(ctx context.Context) error {
		_, err := table.Update(ctx, d.update, live.ETag)
		return err
	}, nil
}

func (w *Warehouse) diffView(ctx context.Context, v sinks.View) ([]sinks.Change, func(context.Context) error, error) {
	view := w.dataset.Table(v.Name)
	change := sinks.Change{Object: "view " + v.Name, SQL: createViewSQL(w.config, v)}
	live, err := view.Metadata(ctx)
	switch {
	case isNotFound(err):
		change.Action = "create"
		return []sinks.Change{change}, func(ctx context.Context) error {
			return view.Create(ctx, &bq.TableMetadata{ViewQuery: v.SQL, Description: v.Description})
		}, nil
	case err != nil:
		return nil, nil, err
	case live.Type != bq.ViewTable:
		change.Action, change.SQL = "replace", ""
		change.Refused = fmt.Sprintf("it is a %s, not a view", live.Type)
		return []sinks.Change{change}, nil, nil
	}
	var update bq.TableMetadataToUpdate
	if live.ViewQuery != v.SQL || live.UseLegacySQL {
		change.Action = "replace"
		update.ViewQuery, update.UseLegacySQL, update.Description = v.SQL, false, v.Description
	} else if schema, differs := describeView(v, live.Schema); differs || live.Description != v.Description {
		change.Action = "describe"
		update.Description = v.Description
		if differs {
			update.Schema = schema
		}
	} else {
		return nil, nil, nil
	}
	return []sinks.Change{change}, func(ctx context.Context) error {
		_, err := view.Update(ctx, update, live.ETag)
		return err
	}, nil
}

// describeView returns the view's columns, which BigQuery finds by itself,
// with their descriptions, which it takes only for a view that exists.
func describeView(v sinks.View, live bq.Schema) (schema bq.Schema, differs bool) {
	for _, f := range live {
		c := *f
		for _, col := range v.Columns {
			if col.Name == c.Name && col.Description != c.Description {
				c.Description = col.Description
				differs = true
			}
		}
		schema = append(schema, &c)
	}
	return schema, differs
}
