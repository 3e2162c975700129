//go:build cgo && !noduckdb && unix

package duckdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

func init() {
	roles["limited at first"] = telling(createLimited)
	roles["hold written"] = holdWritten
	roles["commit fails"] = telling(commitFails)
}

// Catches a file that was begun on a full disk, or by a process that was
// killed, and that nobody can open ever after. A process of its own may write
// no file above 6,000 bytes at first.
func TestDiskFullWhileCreating(t *testing.T) {
	if _, said := startProcess(t, "limited at first", filepath.Join(t.TempDir(), "w.duckdb")); said != "ok" {
		t.Error(said)
	}
}

func createLimited(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	lift, err := limitFiles(6000)
	if err != nil {
		return err
	}
	_, err = duckdb.Open(ctx, duckdb.Config{Path: path})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "File too large") || strings.Contains(err.Error(), ".new") {
		return fmt.Errorf("opened on a full disk: %w", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		return fmt.Errorf("left behind: %v, %w", left, err)
	}
	if err := lift(); err != nil {
		return err
	}
	db, err := duckdb.Open(ctx, duckdb.Config{Path: path})
	if err != nil {
		return err
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 2 { // the file and its log
		return fmt.Errorf("besides the file there is %v, %w", left, err)
	}
	return db.Close()
}

// Catches writes that succeed though the file they go to has been taken away:
// it vanishes with the process, and the rows with it. Once it is back in its
// place they must go through.
func TestFileTakenAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	defer db.Close()
	write := func(ctx context.Context, id string) error {
		var rows transform.Rows
		sinktest.Append(&rows, transform.EventsLog, eventRow(id, nil))
		return db.Write(ctx, &rows)
	}
	if err := write(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	for _, there := range []string{"nothing", "another file"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := write(ctx, there)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with %s in its place a write said %v", there, err)
		}
		if ready := db.Ready(); ready == nil || !strings.Contains(ready.Error(), path) || !strings.Contains(ready.Error(), "removed or replaced") {
			t.Errorf("with %s in its place ready: %v", there, ready)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), "after"); err != nil {
		t.Fatal(err)
	}
	if err := db.Ready(); err != nil {
		t.Error(err)
	}
	if _, rows := query(t, db, "SELECT event_id FROM events_log ORDER BY ALL"); fmt.Sprint(rows) != "[[after] [before]]" {
		t.Errorf("rows %v", rows)
	}
}

const heldRows = 40

// holdWritten writes rows, says so, and waits to be killed.
func holdWritten(path string) {
	ctx := context.Background()
	db, err := duckdb.Open(ctx, duckdb.Config{Path: path})
	for i := range heldRows {
		var rows transform.Rows
		sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprint(i), map[string]any{"notes": strings.Repeat("n", 2000)}))
		if err == nil {
			err = db.Write(ctx, &rows)
		}
	}
	fmt.Println("written:", err)
	time.Sleep(time.Minute)
}

// Catches a database that a killed process leaves with a torn log, which it
// was just writing, and that then cannot be opened, or lacks rows that were
// durable.
func TestTornLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	process, said := startProcess(t, "hold written", path)
	if said != "written: <nil>" {
		t.Fatal(said)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + ".wal")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		torn    []byte
		refused bool // nobody can tell what was in it: a person must decide
	}{
		"whole": {}, "one byte": {torn: []byte{0x2a}}, "a begun entry": {torn: log[:1000]}, "the middle of an entry": {torn: log[len(log)/2 : len(log)/2+1000]},
		"a length without its entry":  {torn: []byte{0, 8, 0, 0, 0, 0, 0, 0}},
		"a length with a tenth of it": {torn: append([]byte{0, 8, 0, 0, 0, 0, 0, 0}, make([]byte, 200)...)},
		"zeros":                       {torn: make([]byte, 5000), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "torn.duckdb")
			for name, data := range map[string][]byte{path: file, path + ".wal": append(bytes.Clone(log), test.torn...)} {
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
			if test.refused {
				if err == nil || !strings.Contains(err.Error(), path+".wal") || !strings.Contains(err.Error(), "restore") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, rows := query(t, db, "SELECT COUNT(DISTINCT event_id) FROM events_log"); fmt.Sprint(rows) != fmt.Sprintf("[[%d]]", heldRows) {
				t.Errorf("%v rows are there, want %d", rows, heldRows)
			}
		})
	}
}

// Catches rows that are not what was written after a commit has failed: the
// library takes back what it had begun to put into a table, but not whole.
func TestFailedCommit(t *testing.T) {
	if _, said := startProcess(t, "commit fails", filepath.Join(t.TempDir(), "w.duckdb")); said != "ok" {
		t.Error(said)
	}
}

func commitFails(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := duckdb.Open(ctx, duckdb.Config{Path: path})
	if err != nil {
		return err
	}
	defer db.Close()
	id := func(i int) string { return fmt.Sprintf("%032d", i) }
	write := func(from, to int) error {
		var rows transform.Rows
		for i := from; i < to; i++ {
			sinktest.Append(&rows, transform.EventsLog, eventRow(id(i), map[string]any{"notes": strings.Repeat(id(i), 1+i%20)}))
		}
		return db.Write(ctx, &rows)
	}
	if err := write(0, 40); err != nil {
		return err
	}
	lift, err := limitFiles(1)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() { written <- write(40, 240) }()
	for db.Ready() == nil {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // it is tried again meanwhile
	if err := lift(); err != nil {
		return err
	}
	if err := <-written; err != nil {
		return err
	}
	n := 0
	err = db.Query(ctx, "SELECT event_id, notes FROM events_log ORDER BY event_id", func([]string) error { return nil }, func(row []any) error {
		if row[0] != id(n) || row[1] != strings.Repeat(id(n), 1+n%20) {
			return fmt.Errorf("row %d is %.80v", n, row)
		}
		n++
		return nil
	})
	if err == nil && n != 240 {
		err = fmt.Errorf("%d rows", n)
	}
	return err
}
