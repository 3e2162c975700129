package bigquery

import (
	"context"
	"errors"
	"fmt"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"

	"leadsync/transform"
)

// erasedTimeout bounds the reading of all tombstones. A page holds tens of
// thousands of them.
const erasedTimeout = time.Minute

// Erased returns the digests of the entities that were erased, in no order; an
// entity may be there several times. It lists the table and runs no query:
// that is free, and the worker needs no right to run jobs.
func (s *Sink) Erased(ctx context.Context) ([]transform.EntityDigest, error) {
	ctx, cancel := context.WithTimeout(ctx, erasedTimeout)
	defer cancel()
	list, err := readErased(s.dataset.Table(transform.Erasures.String()).Read(ctx))
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	return list, nil
}

func readErased(rows *bq.RowIterator) ([]transform.EntityDigest, error) {
	var list []transform.EntityDigest
	for {
		var row map[string]bq.Value
		err := rows.Next(&row)
		if errors.Is(err, iterator.Done) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		text, _ := row["entity_digest"].(string)
		digest, err := transform.ParseEntityDigest(text)
		if err != nil {
			return nil, err
		}
		list = append(list, digest)
	}
}

// TimeTravel returns for how long the dataset's deleted rows can still be
// read as they were: 7 days unless it is set otherwise. Google can bring them
// back for [FailSafe] more.
func (w *Warehouse) TimeTravel(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	dataset, err := w.dataset.Metadata(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at dataset %s: %w", w.config.Dataset, err)
	}
	if dataset.MaxTimeTravel == 0 {
		return defaultTimeTravel, nil
	}
	return dataset.MaxTimeTravel, nil
}

const defaultTimeTravel = 7 * 24 * time.Hour

// FailSafe is how long Google can bring deleted rows back once they can no
// longer be read. Nobody can set or use it but their support.
const FailSafe = 7 * 24 * time.Hour
