//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"fmt"

	"leadsync/sinks"
	"leadsync/transform"
)

// Erased returns the digests of the entities that were erased, in no order; an
// entity may be there several times.
func (d *DB) Erased(ctx context.Context) ([]transform.EntityDigest, error) {
	var list []transform.EntityDigest
	err := d.Query(ctx, sinks.Statement(sinks.DuckDB(d.cfg.Zone), "erased", nil), func([]string) error { return nil }, func(row []any) error {
		text, _ := row[0].(string)
		digest, err := transform.ParseEntityDigest(text)
		list = append(list, digest)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	return list, nil
}
