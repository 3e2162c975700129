package bigquery

import (
	"context"
	"errors"
	"fmt"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"
)

// Query implements [sinks.Warehouse]. Tables and views of the dataset may be
// named without it. The statement is tried dry first, which costs nothing and
// tells whether it only reads.
func (w *Warehouse) Query(ctx context.Context, sql string, columns func([]string) error, row func([]any) error) error {
	if err := w.readOnly(ctx, sql); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	it, err := w.query(sql).Read(ctx)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	// The columns are known with the first row, or the end.
	var values []bq.Value
	err = it.Next(&values)
	if err != nil && !errors.Is(err, iterator.Done) {
		return fmt.Errorf("query: %w", err)
	}
	names := make([]string, len(it.Schema))
	for i, f := range it.Schema {
		names[i] = f.Name
	}
	if err := columns(names); err != nil {
		return err
	}
	for ; err == nil; err = it.Next(&values) {
		if err := row(plainRow(values, it.Schema)); err != nil {
			return err
		}
		values = values[:0]
	}
	if !errors.Is(err, iterator.Done) {
		return fmt.Errorf("query: read rows: %w", err)
	}
	return nil
}

func (w *Warehouse) query(sql string) *bq.Query {
	q := w.client.Query(sql)
	q.DefaultProjectID, q.DefaultDatasetID = w.config.ProjectID, w.config.Dataset
	q.MaxBytesBilled = w.config.MaxBytesBilled
	return q
}

// readOnly returns an error if the statement is wrong or not a SELECT. A
// script is none either, whatever is in it.
func (w *Warehouse) readOnly(ctx context.Context, sql string) error {
	kind, err := w.statementType(ctx, sql)
	if err == nil && kind != "SELECT" {
		err = fmt.Errorf("only a SELECT is run here, not a statement of type %s", kind)
	}
	return err
}

// statementType tries the statement dry and returns BigQuery's word for what
// it is.
func (w *Warehouse) statementType(ctx context.Context, sql string) (string, error) {
	q := w.query(sql)
	q.DryRun = true
	job, err := q.Run(ctx)
	if err != nil {
		return "", err
	}
	if s := job.LastStatus().Statistics; s != nil {
		if d, ok := s.Details.(*bq.QueryStatistics); ok {
			return d.StatementType, nil
		}
	}
	return "unknown", nil
}
