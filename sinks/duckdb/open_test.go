//go:build cgo && !noduckdb

package duckdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"leadsync/sinks/duckdb"
)

// The test binary run again is another process; its role and a path are in
// this variable.
const roleVariable = "DUCKDB_TEST_ROLE"

var roles = map[string]func(path string){
	"hold":           func(path string) { holdOpen(path, false) },
	"hold read-only": func(path string) { holdOpen(path, true) },
}

func TestMain(m *testing.M) {
	role, path, _ := strings.Cut(os.Getenv(roleVariable), ":")
	if play := roles[role]; play != nil {
		play(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// holdOpen opens the database, says so, and keeps it until told to end.
func holdOpen(path string, readOnly bool) {
	db, err := duckdb.Open(context.Background(), duckdb.Config{Path: path, ReadOnly: readOnly})
	fmt.Println("open:", err)
	if err != nil {
		os.Exit(1)
	}
	_, _ = io.ReadAll(os.Stdin)
	db.Close()
}

// startProcess runs the test binary in a role and returns its process and the
// first line that it prints. It ends with the test.
func startProcess(t *testing.T, role, path string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role+":"+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(line)
}

// Catches an error that leaves the reader without a clue: which file, which
// process, what to do.
func TestLockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "held.duckdb")
	other, said := startProcess(t, "hold", path)
	if said != "open: <nil>" {
		t.Fatalf("the other process said %q", said)
	}
	for _, readOnly := range []bool{false, true} {
		_, err := duckdb.Open(t.Context(), duckdb.Config{Path: path, ReadOnly: readOnly})
		if err == nil {
			t.Fatal("opened a file that another process has open")
		}
		for _, want := range []string{path, "another process", fmt.Sprint("PID ", other.Process.Pid), "stop that process"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("read-only %v: error %q lacks %q", readOnly, err, want)
			}
		}
	}
}

// Catches queries that shut each other out though none of them writes.
func TestReadersShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared.duckdb")
	if err := open(t, duckdb.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	if _, said := startProcess(t, "hold read-only", path); said != "open: <nil>" {
		t.Fatalf("the other process said %q", said)
	}
	db := open(t, duckdb.Config{Path: path, ReadOnly: true})
	defer db.Close()
	query(t, db, "SELECT * FROM leads")
}

// Catches a path that is taken although nothing good can come of it, and an
// error that does not say why.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(notes, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.duckdb")
	for _, test := range []struct {
		cfg  duckdb.Config
		want []string
	}{
		{duckdb.Config{}, []string{"DUCKDB_PATH"}},
		{duckdb.Config{Path: missing, ReadOnly: true}, []string{"DUCKDB_PATH", missing, "no such file"}},
		{duckdb.Config{Path: notes}, []string{notes, "not a DuckDB database", "DUCKDB_PATH"}},
		{duckdb.Config{Path: filepath.Join(dir, "no", "dir.duckdb")}, []string{filepath.Join(dir, "no"), "No such file or directory"}},
		{duckdb.Config{Path: filepath.Join(dir, "100%.duckdb")}, []string{"DUCKDB_PATH", "%"}},
		{duckdb.Config{Path: dir}, []string{dir}},
	} {
		db, err := duckdb.Open(t.Context(), test.cfg)
		if err == nil {
			db.Close()
			t.Errorf("opened %+v", test.cfg)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: error %q lacks %q", test.cfg, err, want)
			}
		}
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Errorf("opening for reading made a file: %v", err)
	}
}

// Catches a path that the library would read otherwise than the file system.
func TestOpenOddPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"with space.duckdb", "线索.duckdb", "a:b.duckdb", "plain", "semi;quote'.duckdb", "a&b=c.duckdb"} {
		db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// Catches what would make the warehouse depend on the machine or the network:
// the session's zone, extensions to be downloaded, no zones linked in.
func TestSettings(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	_, rows := query(t, db, `SELECT current_setting('TimeZone'), current_setting('autoinstall_known_extensions'),
		current_setting('autoload_known_extensions'), CAST(TIMESTAMPTZ '2024-01-01 00:00:00+08' AS VARCHAR),
		CAST(timezone('Asia/Shanghai', TIMESTAMPTZ '2024-01-01 00:00:00Z') AS VARCHAR)`)
	want := "[[UTC false false 2023-12-31 16:00:00+00 2024-01-01 08:00:00]]"
	if got := fmt.Sprint(rows); got != want {
		t.Errorf("settings %s, want %s", got, want)
	}
}
