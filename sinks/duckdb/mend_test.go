//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

func ledger(id string) *transform.Rows {
	var rows transform.Rows
	now := time.Now()
	rows.AppendBatch(transform.Batch{ID: id, WorkerID: "w", Source: "pubsub", StartedAt: now, CommittedAt: now})
	return &rows
}

func batches(t *testing.T, d *DB) (n any) {
	t.Helper()
	err := d.Query(t.Context(), "SELECT count(*) FROM sync_batches", func([]string) error { return nil }, func(row []any) error {
		n = row[0]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Catches a database that stays useless after the library has given it up, or
// after it could not be opened again at once.
func TestMend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	d, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), ledger("1")); err != nil {
		t.Fatal(err)
	}
	invalid := errors.New("FATAL Error: database has been invalidated because of a previous fatal error")
	d.mend(t.Context(), invalid)
	if err := d.Write(t.Context(), ledger("2")); err != nil {
		t.Fatal(err)
	}
	d.mend(t.Context(), errors.New("another"))
	if err := d.Write(t.Context(), ledger("3")); err != nil {
		t.Fatal(err)
	}

	if err := d.disconnect(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	d.mend(t.Context(), invalid)
	if d.Ready() == nil {
		t.Error("ready without a database")
	}
	if _, err := d.Plan(t.Context()); !errors.Is(err, errNotOpen) {
		t.Errorf("plan without a database: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := d.Write(ctx, ledger("4")); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errNotOpen) {
		t.Errorf("write without a database: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), ledger("4")); err != nil {
		t.Fatal(err)
	}
	if n := batches(t, d); n != int64(4) || d.Ready() != nil {
		t.Errorf("%v batches are there, want 4; ready: %v", n, d.Ready())
	}
}

// Catches a table that was dropped being taken for rows that are bad, which
// would send good events to the dead letters.
func TestTableGone(t *testing.T) {
	d, err := Open(t.Context(), Config{Path: InMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := exec(d.writer, "DROP TABLE sync_batches"); err != nil {
		t.Fatal(err)
	}
	items, _ := d.loaders[transform.SyncBatches].decode(nil, nil, ledger("1"))
	err = d.attempt(items)
	if class, _ := classify(err); class != sinks.Setup {
		t.Errorf("class %q of %v", class, err)
	}
}
