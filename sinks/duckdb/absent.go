//go:build !cgo || noduckdb

package duckdb

import (
	"context"
	"errors"

	"leadsync/sinks"
	"leadsync/transform"
)

// Available tells whether this build has the embedded warehouse.
const Available = false

var errAbsent = errors.New("this build has no embedded warehouse (it was made without cgo or with the tag noduckdb): " +
	"set SINK=bigquery, or use a build with cgo")

// DB stands for the embedded warehouse in builds without it. There is none:
// [Open] always fails.
type DB struct{}

var (
	_ sinks.Sink      = (*DB)(nil)
	_ sinks.Warehouse = (*DB)(nil)
)

// Open returns an error that says that this build has no embedded warehouse.
func Open(context.Context, Config) (*DB, error) { return nil, errAbsent }

// Write returns the error of [Open].
func (*DB) Write(context.Context, *transform.Rows) error { return errAbsent }

// Ready returns the error of [Open].
func (*DB) Ready() error { return errAbsent }

// Query returns the error of [Open].
func (*DB) Query(context.Context, string, func([]string) error, func([]any) error) error {
	return errAbsent
}

// Execute returns the error of [Open].
func (*DB) Execute(context.Context, ...string) ([]int64, error) { return nil, errAbsent }

// Compact returns the error of [Open].
func (*DB) Compact(context.Context) error { return errAbsent }

// Erased returns the error of [Open].
func (*DB) Erased(context.Context) ([]transform.EntityDigest, error) { return nil, errAbsent }

// Plan returns the error of [Open].
func (*DB) Plan(context.Context) (sinks.Plan, error) { return nil, errAbsent }

// Apply returns the error of [Open].
func (*DB) Apply(context.Context, sinks.Plan) error { return errAbsent }

// Close does nothing.
func (*DB) Close() error { return nil }
