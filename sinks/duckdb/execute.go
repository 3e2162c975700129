//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"errors"
	"fmt"
)

// Execute runs the statements in one transaction: all of them or none. See
// [sinks.Warehouse].
func (d *DB) Execute(ctx context.Context, statements ...string) ([]int64, error) {
	counts, err := d.execute(ctx, statements)
	if err != nil {
		return nil, fmt.Errorf("change warehouse %s: %w", d.cfg.Path, err)
	}
	return counts, nil
}

var errReadOnly = errors.New("it is open for reading only")

func (d *DB) execute(ctx context.Context, statements []string) ([]int64, error) {
	if d.cfg.ReadOnly {
		return nil, errReadOnly
	}
	if err := d.lock(ctx); err != nil {
		return nil, err
	}
	defer d.unlock()
	if d.pool == nil {
		return nil, errNotOpen
	}
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // does nothing once committed
	counts := make([]int64, len(statements))
	for i, sql := range statements {
		result, err := tx.ExecContext(ctx, sql)
		if err == nil {
			counts[i], err = result.RowsAffected()
		}
		if err != nil {
			return nil, fmt.Errorf("statement %d of %d: %w", i+1, len(statements), err)
		}
	}
	return counts, tx.Commit()
}
