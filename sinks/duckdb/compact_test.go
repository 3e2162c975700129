//go:build cgo && !noduckdb

package duckdb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

func init() { roles["compact"] = compactForEver }

// inFiles returns how often the text stands in the files of the directory, as
// bytes, whatever their names.
func inFiles(t testing.TB, dir, text string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(data, []byte(text))
	}
	return n
}

// noise returns text that cannot be compressed, and stands in the file as it is.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + mathrand.IntN('~'-'!'))
	}
	return string(b)
}

// writeNoted writes n events with these notes.
func writeNoted(t testing.TB, db *duckdb.DB, n int, note func(i int) string) {
	t.Helper()
	var rows transform.Rows
	for i := range n {
		sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprintf("%06d", i), map[string]any{
			"notes": note(i), "extra": `{"a":1.50}`, "members": []string{"m", rand.Text()}, "changes": [][]any{{"name", nil, "x", nil, nil}},
		}))
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
}

// Catches deleted values that stand in the file or its log still, and anything
// of the others that is lost on the way: rows, views, descriptions, the file's
// mode.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	const canary = "CANARY-9f2c71d0"
	writeNoted(t, db, 3000, func(i int) string {
		if i%1000 == 7 {
			return noise(5000) + canary + noise(5000)
		}
		return noise(50)
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if inFiles(t, dir, canary) == 0 {
		t.Fatal("the canary cannot be found: this test would find nothing")
	}

	db = open(t, duckdb.Config{Path: path})
	defer db.Close()
	if counts, err := db.Execute(t.Context(), "DELETE FROM events_log WHERE contains(notes, '"+canary+"')"); err != nil || counts[0] != 3 {
		t.Fatal(counts, err)
	}
	_, want := query(t, db, "SELECT * FROM events_log ORDER BY ALL")
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := inFiles(t, dir, canary); n != 0 {
		t.Errorf("the canary stands in the files %d times", n)
	}
	_, got := query(t, db, "SELECT * FROM events_log ORDER BY ALL")
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
	if plan, err := db.Plan(t.Context()); err != nil || len(plan) > 0 {
		t.Errorf("the schema has changed: %v, %v", plan, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	writeEvents(t, db, "afterwards")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || inFiles(t, dir, canary) != 0 {
		t.Errorf("files %v are left", entries)
	}
	db = open(t, duckdb.Config{Path: path})
	defer db.Close()
	if ids := eventIDs(t, db); len(ids) != 2998 {
		t.Errorf("%d events are left", len(ids))
	}
}

// Catches a database under an odd name or behind a link that is copied to
// somewhere else, leftovers of an earlier attempt that are in the way, and one
// in memory that is lost.
func TestCompactOddPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Symlink("target.duckdb", "link.duckdb"); err != nil {
		t.Fatal(err)
	}
	for _, leftover := range []string{"leftover.duckdb.new", "leftover.duckdb.new.wal"} {
		if err := os.WriteFile(leftover, []byte("half of something"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"线索.duckdb", "a:b; 'c'.duckdb", "link.duckdb", "leftover.duckdb", duckdb.InMemory} {
		db := open(t, duckdb.Config{Path: path})
		writeEvents(t, db, "a")
		if err := db.Compact(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		writeEvents(t, db, "b")
		if ids := eventIDs(t, db); !slices.Equal(ids, []string{"a", "b"}) {
			t.Errorf("%s: events %v", path, ids)
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if info, err := os.Lstat("link.duckdb"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	if left, _ := filepath.Glob("*.new*"); len(left) > 0 {
		t.Errorf("files %v are left", left)
	}
}

// Catches a database that is of no more use when it could not be written anew.
func TestCompactFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	defer db.Close()
	writeEvents(t, db, "a")
	if err := os.MkdirAll(filepath.Join(path+".new", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Compact(ctx); err == nil {
		t.Error("a context that is done does not end it")
	}
	writeEvents(t, db, "b")
	if ids := eventIDs(t, db); !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("events %v", ids)
	}
}

// Catches rows lost because they are written, or queries that fail because
// they run, while the file is replaced.
func TestCompactBesideOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	defer db.Close()
	var others sync.WaitGroup
	const writes = 60
	others.Go(func() {
		for i := range writes {
			writeEvents(t, db, fmt.Sprint(i))
		}
	})
	others.Go(func() {
		for range writes {
			query(t, db, "SELECT count(*) FROM events")
		}
	})
	for range 5 {
		if err := db.Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	others.Wait()
	if ids := eventIDs(t, db); len(ids) != writes {
		t.Errorf("%d events are there, %d were written", len(ids), writes)
	}
}

// compactForEver writes the database anew again and again.
func compactForEver(path string) {
	db, err := duckdb.Open(context.Background(), duckdb.Config{Path: path})
	fmt.Println("open:", err)
	for err == nil {
		err = db.Compact(context.Background())
	}
	fmt.Println(err)
	os.Exit(1)
}

// A process is killed in the middle of it, again and again. Catches a moment
// at which there is no database, half of one, or one with another's log.
func TestCompactKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	writeNoted(t, db, 2000, func(int) string { return rand.Text() })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		cmd, said := startProcess(t, "compact", path)
		if said != "open: <nil>" {
			t.Fatalf("round %d: %s", round, said)
		}
		time.Sleep(time.Duration(mathrand.IntN(200)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		db := open(t, duckdb.Config{Path: path})
		if ids := eventIDs(t, db); len(ids) != 2000+round {
			t.Fatalf("round %d: %d events are left", round, len(ids))
		}
		writeEvents(t, db, fmt.Sprint("round ", round))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
