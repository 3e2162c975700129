package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"leadsync/sinks/duckdb"
)

// The objects of a bucket must become what files become, be left out once they
// are done, and be told by name when they were changed. Catches a command that
// reads buckets in another way than the engine is tested with: another location,
// no version in the checkpoints, or an error without the object.
func TestBackfillBucket(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	h := newHistory(t, 5, 2000)
	storage := newStorage(t)
	put := func(key string, data []byte) {
		storage.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "staging", Name: key}, Content: data})
	}
	list, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		data, err := os.ReadFile(filepath.Join(h.dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		put("export/"+f.Name(), data)
	}
	put("elsewhere/broken.json", []byte("no event"))
	dir := t.TempDir()
	clean, path := filepath.Join(dir, "clean.duckdb"), filepath.Join(dir, "bucket.duckdb")
	if status, out := runBackfill(t, append(os.Environ(), "DUCKDB_PATH="+clean), h.dir); status != exitDeadLetters {
		t.Fatalf("files: status %d\n%s", status, out)
	}
	environ := append(os.Environ(), "DUCKDB_PATH="+path, reach(storage))
	from := append(smallPieces, "gs://staging/export/")
	if status, out := runBackfill(t, environ, append(from, "--plan", "--task-count=3")...); status != 0 || !strings.Contains(out, "\n  2 ") {
		t.Errorf("plan: status %d\n%s", status, out)
	}
	if status, out := runBackfill(t, environ, from...); status != exitDeadLetters {
		t.Fatalf("objects: status %d\n%s", status, out)
	}
	viewsOf(t, clean, perCopy).same(t, viewsOf(t, path, perCopy))
	if status, out := runBackfill(t, environ, from...); status != 0 || !strings.Contains(out, "records        0 = ") {
		t.Errorf("again: status %d\n%s", status, out)
	}
	got := ask(t, path, "SELECT location FROM backfill_files WHERE is_complete ORDER BY location")
	if len(got) != len(list) {
		t.Errorf("%v are complete, want %d objects", got, len(list))
	}
	put("export/pretty.json", []byte(`{"mid":"1"}`))
	if status, out := runBackfill(t, environ, from...); status != exitFailure || !strings.Contains(out, "gs://staging/export/pretty.json") || !strings.Contains(out, "--changed") {
		t.Errorf("changed: status %d\n%s", status, out)
	}
}
