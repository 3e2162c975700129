//go:build cgo && !noduckdb && unix

package duckdb_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

func init() { roles["limited"] = telling(writeLimited) }

// telling makes a role of what goes well or not: it prints ok, or the error in
// one line.
func telling(do func(path string) error) func(path string) {
	return func(path string) {
		if err := do(path); err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
			return
		}
		fmt.Println("ok")
	}
}

// limitFiles lets the process write no file above the size, as a full disk
// would, until lift is called.
func limitFiles(size uint64) (lift func() error, err error) {
	signal.Ignore(syscall.SIGXFSZ)
	var whole syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &whole); err != nil {
		return nil, err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: whole.Max}); err != nil {
		return nil, err
	}
	return func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &whole) }, nil
}

// Catches a full disk losing rows, failing the write, going unnoticed in
// Ready, or needing a restart. A process of its own may write no file above
// 4 MiB until it lifts that limit.
func TestDiskFull(t *testing.T) {
	if _, said := startProcess(t, "limited", filepath.Join(t.TempDir(), "w.duckdb")); said != "ok" {
		t.Error(said)
	}
}

func writeLimited(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seen := &observed{}
	db, err := duckdb.Open(ctx, duckdb.Config{Path: path, Observer: seen})
	if err != nil {
		return err
	}
	lift, err := limitFiles(4 << 20)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	const writes = 12
	go func() {
		for i := range writes {
			var rows transform.Rows
			sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprint(i), map[string]any{"notes": strings.Repeat("n", 1<<20)}))
			if err := db.Write(ctx, &rows); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for db.Ready() == nil {
		select {
		case err := <-written:
			return fmt.Errorf("writes ended before the disk was full: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
	if text := db.Ready().Error(); !strings.Contains(text, path) || !strings.Contains(text, "File too large") {
		return fmt.Errorf("not ready for %q", text)
	}
	patience, end := context.WithTimeout(ctx, 50*time.Millisecond)
	defer end()
	var rows transform.Rows
	sinktest.Append(&rows, transform.EventsLog, eventRow("impatient", nil))
	if err := db.Write(patience, &rows); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a write that lost patience said %w", err)
	}
	if err := lift(); err != nil {
		return err
	}
	if err := <-written; err != nil {
		return fmt.Errorf("after there was room again: %w", err)
	}
	if db.Ready() != nil || seen.retried[sinks.Transient] == 0 {
		return fmt.Errorf("after there was room again: retried %v, ready: %w", seen.retried, db.Ready())
	}
	if err := db.Close(); err != nil {
		return err
	}
	if db, err = duckdb.Open(ctx, duckdb.Config{Path: path, ReadOnly: true}); err != nil {
		return err
	}
	defer db.Close()
	return db.Query(ctx, "SELECT count(DISTINCT event_id) FROM events_log WHERE length(notes) = 1048576",
		func([]string) error { return nil },
		func(row []any) error {
			if row[0] != int64(writes) {
				return fmt.Errorf("%v rows are there, want %d", row[0], writes)
			}
			return nil
		})
}
