package bigquery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	bq "cloud.google.com/go/bigquery"
)

// executeTimeout bounds one statement of Execute: as long as BigQuery lets one
// run, since a change of a whole table is one statement.
const executeTimeout = 6 * time.Hour

// Execute runs the statements one after the other, each as a job of its own,
// and each at most once. A statement that changes no rows is refused when it is
// tried dry, before the first is run. See [sinks.Warehouse].
func (w *Warehouse) Execute(ctx context.Context, statements ...string) ([]int64, error) {
	fail := func(i int, err error) error {
		return fmt.Errorf("change dataset %s: statement %d of %d: %w", w.config.Dataset, i+1, len(statements), err)
	}
	for i, sql := range statements {
		if err := w.changesRows(ctx, sql); err != nil {
			return nil, fail(i, err)
		}
	}
	var counts []int64
	for i, sql := range statements {
		n, err := w.execute(ctx, sql)
		if err != nil {
			return counts, fail(i, err)
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// changesRows returns an error if the statement is wrong or something else
// than a change of rows.
func (w *Warehouse) changesRows(ctx context.Context, sql string) error {
	kind, err := w.statementType(ctx, sql)
	if err != nil {
		return err
	}
	switch kind {
	case "INSERT", "UPDATE", "DELETE", "MERGE":
		return nil
	default:
		return fmt.Errorf("only a change of rows is run here, not a statement of type %s", kind)
	}
}

// execute runs one statement and returns how many rows it changed.
func (w *Warehouse) execute(ctx context.Context, sql string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, executeTimeout)
	defer cancel()
	q := w.query(sql)
	q.JobID = "leadsync-" + rand.Text()
	job, err := q.Run(ctx)
	if hasHTTPCode(err, http.StatusConflict) {
		// An earlier try was taken, and its answer lost.
		job, err = w.job(ctx, q.JobID)
	}
	if err != nil {
		return 0, err
	}
	status, err := job.Wait(ctx)
	if err == nil {
		err = status.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("job %s: %w", q.JobID, err)
	}
	if s := status.Statistics; s != nil {
		if d, ok := s.Details.(*bq.QueryStatistics); ok {
			return d.NumDMLAffectedRows, nil
		}
	}
	return 0, fmt.Errorf("job %s: %w", q.JobID, errors.New("it does not say how many rows it changed"))
}

// job looks a job up. It is where its tables are, and must be asked for there.
func (w *Warehouse) job(ctx context.Context, id string) (*bq.Job, error) {
	location := w.config.Location
	if location == "" {
		dataset, err := w.dataset.Metadata(ctx)
		if err != nil {
			return nil, err
		}
		location = dataset.Location
	}
	return w.client.JobFromIDLocation(ctx, id, location)
}
