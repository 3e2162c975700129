package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// demoFile is the database of a demo that is kept.
const demoFile = "leadsync-demo.duckdb"

// database returns the path of a new database. That of the last demo makes
// room for it, unless it was kept.
func (c *demoCommand) database() (string, error) {
	if c.Keep {
		path, err := filepath.Abs(demoFile)
		if err != nil {
			return "", err
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s exists: move it away or delete it, it is not written over", path)
		}
		return path, nil
	}
	dir, err := os.UserCacheDir()
	dir = filepath.Join(dir, "leadsync")
	if err != nil || os.MkdirAll(dir, 0o700) != nil { // no home, as in a container
		dir = os.TempDir()
	}
	path := filepath.Join(dir, demoFile)
	for _, old := range []string{path, path + ".wal"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return path, nil
}

// demoQuestions are statements to begin with.
var demoQuestions = []string{
	"SELECT name, life_status_label, owner_label, last_event_at FROM leads WHERE owner IS NOT NULL ORDER BY last_event_at DESC LIMIT 10",
	"SELECT reason, COUNT(*) AS changes FROM owner_transitions WHERE reason IS NOT NULL GROUP BY reason ORDER BY changes DESC",
	"SELECT field, before_label, after_label, occurred_at FROM field_changes WHERE event_type = 'object_update' ORDER BY occurred_at DESC LIMIT 10",
}

// invite says where the database is and what to ask it.
func (c *demoCommand) invite(out io.Writer, path string) {
	until := "until the next demo; --keep keeps one in the working directory"
	if c.Keep {
		until = "it stays"
	}
	fmt.Fprintf(out, "\nThe database is %s (%s). Ask it:\n\n", path, until)
	for _, sql := range demoQuestions {
		fmt.Fprintf(out, "  DUCKDB_PATH=%s %s query \"%s\"\n", shellWord(path), invocation(os.Args[0]), sql)
	}
}

// invocation is how the person at the keyboard starts this program: what go
// run has built is in no place to be typed.
func invocation(arg0 string) string {
	if strings.Contains(filepath.ToSlash(arg0), "/go-build") {
		return "go run ./cmd/leadsync"
	}
	return shellWord(arg0)
}

// shellWord quotes the text for a shell where it must be.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
