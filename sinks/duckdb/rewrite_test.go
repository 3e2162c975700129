//go:build cgo && !noduckdb

package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Catches a log that somebody else has left since, with rows of theirs, being
// lost: or taken for that of the new file.
func TestRewriteBesideLog(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "w.duckdb"), filepath.Join(dir, "copy.duckdb")
	d, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), ledger("1")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(t.Context(), Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), ledger("2")); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", ".wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := rewrite(t.Context(), copied); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("error %v", err)
	}
	other, err := Open(t.Context(), Config{Path: copied})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := batches(t, other); n != int64(2) {
		t.Errorf("%v batches are left", n)
	}
}
