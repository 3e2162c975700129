package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"leadsync/sinks/duckdb"
)

// Catches goroutines that outlive what started them.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every form of the export must hold every event, and what stands beside
// leadsync must do about the same work: as many events, and about as many
// transitions. Catches a comparison with something that does next to nothing,
// and SQL or a jq program that does not run.
func TestSameWork(t *testing.T) {
	x, err := export(t.Context(), t.TempDir(), 1<<20, 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	counted := func(out []byte) (c count) {
		t.Helper()
		if err := json.Unmarshal(out, &c); err != nil {
			t.Fatal(err)
		}
		if n := int64(x.events); c.Records != n || c.Written != n || c.Dead != 0 {
			t.Errorf("%+v of %d events", c, n)
		}
		return c
	}
	var ours count
	for _, file := range []string{x.ndjson, x.gzip, x.zstd, x.array} {
		var out bytes.Buffer
		if err := encode(t.Context(), file, &out); err != nil {
			t.Fatal(err)
		}
		ours = counted(out.Bytes())
	}
	warehouse := filepath.Join(t.TempDir(), "theirs.duckdb")
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: warehouse})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := byDuckDB(t.Context(), warehouse, x.ndjson, &out); err != nil {
		t.Fatal(err)
	}
	about := func(who string, transitions int64) {
		t.Helper()
		if want := ours.Rows - ours.Written; transitions < want*8/10 || transitions > want*12/10 {
			t.Errorf("%s made %d transitions, leadsync %d rows beside the events'", who, transitions, want)
		}
	}
	theirs := counted(out.Bytes())
	about("DuckDB", theirs.Rows-theirs.Written)
	if !hasJQ() {
		t.Log("jq is not installed")
		return
	}
	rows, err := exec.CommandContext(t.Context(), "jq", "-c", rowsJQ, x.some).Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(rows, []byte(`{"table":"events_log"`)); n != x.events {
		t.Errorf("jq made %d events of %d", n, x.events)
	}
	about("jq", int64(bytes.Count(rows, []byte(`{"table":"transitions_log"`))))
}
