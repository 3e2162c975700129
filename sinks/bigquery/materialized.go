package bigquery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
)

// refreshInterval is how often BigQuery stores a materialized view's rows
// anew at most. A query is never stale for it: BigQuery adds what came in
// since from the table, unless a maximum staleness allows otherwise, and none
// is set.
const refreshInterval = 30 * time.Minute

// diffMaterialized compares a materialized view. BigQuery changes neither the
// query nor the clustering of one that exists, so that another definition
// drops it and creates it anew, which loses nothing: its rows come from the
// tables. How it is refreshed is left as it is found, for people to tune.
func (w *Warehouse) diffMaterialized(ctx context.Context, v sinks.View) ([]sinks.Change, func(context.Context) error, error) {
	view := w.dataset.Table(v.Name)
	change := sinks.Change{Object: "materialized view " + v.Name, SQL: createMaterializedSQL(w.config, v)}
	create := func(ctx context.Context) error { return view.Create(ctx, materializedMetadata(v)) }
	live, err := view.Metadata(ctx)
	switch {
	case isNotFound(err):
		change.Action = "create"
		return []sinks.Change{change}, create, nil
	case err != nil:
		return nil, nil, err
	case live.Type != bq.MaterializedView || live.MaterializedView == nil:
		change.Action, change.SQL = "replace", ""
		change.Refused = fmt.Sprintf("it is a %s, not a materialized view", live.Type)
		return []sinks.Change{change}, nil, nil
	case live.MaterializedView.Query != v.SQL || !slices.Equal(clusteringOf(live), v.ClusterBy):
		change.Action, change.SQL = "replace", replaceMaterializedSQL(w.config, v)
		return []sinks.Change{change}, func(ctx context.Context) error {
			if err := view.Delete(ctx); err != nil && !isNotFound(err) {
				return err
			}
			return create(ctx)
		}, nil
	case live.Description != describeMaterialized(v):
		change.Action, change.SQL = "describe", describeMaterializedSQL(w.config, v)
		return []sinks.Change{change}, func(ctx context.Context) error {
			_, err := view.Update(ctx, bq.TableMetadataToUpdate{Description: describeMaterialized(v)}, live.ETag)
			return err
		}, nil
	}
	return nil, nil, nil
}

func materializedMetadata(v sinks.View) *bq.TableMetadata {
	return &bq.TableMetadata{
		MaterializedView: &bq.MaterializedViewDefinition{Query: v.SQL, EnableRefresh: true, RefreshInterval: refreshInterval},
		Clustering:       &bq.Clustering{Fields: v.ClusterBy},
		Description:      describeMaterialized(v),
	}
}

// describeMaterialized returns the view's description and that of its
// columns: BigQuery has no place for a description at a materialized view's
// column ("Schema update for materialized views is not supported").
func describeMaterialized(v sinks.View) string {
	var b strings.Builder
	b.WriteString(v.Description + "\n")
	for _, c := range v.Columns {
		b.WriteString("\n" + c.Name + ": " + c.Description)
	}
	return b.String()
}

func clusteringOf(live *bq.TableMetadata) []string {
	if live.Clustering == nil {
		return nil
	}
	return live.Clustering.Fields
}
