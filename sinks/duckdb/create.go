//go:build cgo && !noduckdb

package duckdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	duck "github.com/duckdb/duckdb-go/v2"
)

// create makes the database's file if there is none, whole or not at all. The
// library makes it piece by piece, and one that it could not finish, because
// the process was killed or the disk was full, it never opens again.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // whoever opens it says it better
	}
	if target, err := os.Readlink(path); err == nil { // it leads to nothing yet
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		return create(target)
	}
	fresh := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	if err := errors.Join(discard(fresh), makeDatabase(fresh)); err != nil {
		// The name of the file in the making would lead astray.
		return errors.Join(errors.New(strings.ReplaceAll(err.Error(), fresh, path)), discard(fresh))
	}
	// Another process may be as far: its file is never replaced.
	err := os.Link(fresh, path)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
		err = discard(fresh)
	default: // the file system has no links
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(err, discard(fresh))
	}
	return flush(filepath.Dir(path))
}

// makeDatabase makes the file of an empty database, and makes it durable.
func makeDatabase(path string) error {
	connector, err := duck.NewConnector(path+settings, nil)
	if err != nil {
		return err
	}
	if err := connector.Close(); err != nil {
		return err
	}
	return flush(path)
}

// discard removes a database's file and its log, if they are there.
func discard(path string) error {
	for _, name := range []string{path, path + ".wal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// errMoved stands for a database whose file is not in its place any more.
var errMoved = errors.New("its file was removed or replaced while it was open: put the same file back in its place, " +
	"or end the worker, which writes to no other, and start it on the file that is to be used")

// inPlace returns an error if the file in the database's place is another than
// the one that is open, or none: what is written then would vanish with the
// last to have it open.
func (d *DB) inPlace() error {
	if d.file == nil {
		return nil
	}
	now, err := os.Stat(d.cfg.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the file: %w", err)
	}
	if err != nil || !os.SameFile(d.file, now) {
		return errMoved
	}
	return nil
}
