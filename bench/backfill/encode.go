package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"leadsync/sync/backfill"
	"leadsync/sync/files"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// nowhere is a sink that keeps nothing: what is measured ends with encoded
// rows.
type nowhere struct{ rows, bytes atomic.Int64 }

// Write counts the rows. See [leadsync/sinks.Sink].
func (n *nowhere) Write(_ context.Context, rows *transform.Rows) error {
	n.rows.Add(int64(rows.Total()))
	n.bytes.Add(int64(rows.Bytes()))
	return nil
}

// Ready is always nil.
func (*nowhere) Ready() error { return nil }

// Close does nothing.
func (*nowhere) Close() error { return nil }

// A count is what came of a file.
type count struct {
	Records, Written, Dead int64
	Rows, Bytes            int64 // encoded
}

// encode reads a file as the command backfill does, up to the encoded rows,
// and writes what came of it as JSON.
func encode(ctx context.Context, file string, out io.Writer) error {
	store := files.New(os.Stdin)
	sink := &nowhere{}
	plan, err := backfill.NewPlan(ctx, backfill.Config{
		Store: store, Paths: []string{file}, Sink: sink, Via: "append",
		Pipeline: pipeline.Config{WorkerID: "bench"}, DryRun: true,
	})
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	summary, err := plan.Run(ctx)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("close files: %w", err)
	}
	//nolint:wrapcheck // it says all
	return json.NewEncoder(out).Encode(count{
		Records: summary.Records, Written: summary.Written, Dead: summary.Dead, Rows: sink.rows.Load(), Bytes: sink.bytes.Load(),
	})
}
