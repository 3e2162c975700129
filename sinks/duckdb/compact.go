//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	duck "github.com/duckdb/duckdb-go/v2"
)

// Compact writes the database anew into a file of its own and puts that in the
// place of the old one, at once and whole: DuckDB leaves the bytes of deleted
// rows in its file until it needs their room. It takes as much room on disk as
// the database; writes and queries wait for it. What it was in the middle of
// when the process ended is of no harm: the old file is still the database,
// and the next Compact begins again.
//
// A database in memory is left as it is. The file must not be open in another
// process when Compact begins, and cannot be opened by one for writing until
// it ends.
func (d *DB) Compact(ctx context.Context) error {
	if err := d.compact(ctx); err != nil {
		return fmt.Errorf("write warehouse %s anew: %w", d.cfg.Path, err)
	}
	return nil
}

func (d *DB) compact(ctx context.Context) error {
	switch {
	case d.cfg.ReadOnly:
		return errReadOnly
	case d.cfg.Path == InMemory:
		return nil
	}
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pool == nil {
		return errNotOpen
	}
	// To end the connections is to write the log into the file.
	err := d.disconnect()
	if err == nil {
		err = rewrite(ctx, d.cfg.Path)
	}
	return errors.Join(err, d.connect(context.WithoutCancel(ctx)))
}

// rewrite replaces the database's file by a copy of what is in it.
func rewrite(ctx context.Context, path string) (err error) {
	if path, err = filepath.EvalSymlinks(path); err == nil { // it is the file that is replaced
		path, err = filepath.Abs(path) // which no library takes for an address
	}
	if err != nil {
		return err
	}
	old, err := os.Stat(path)
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := discard(fresh); err != nil {
		return err
	}
	connector, err := duck.NewConnector(InMemory+settings, nil)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	// The old file stays open for reading until the new one is in its place:
	// so nobody can write into the file that is about to go.
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := copyDatabase(ctx, db, path, fresh); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	err = adopt(fresh, old)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return flush(filepath.Dir(path))
}

// adopt gives the new file the old one's mode and owner, and makes it durable.
func adopt(fresh string, old fs.FileInfo) error {
	if err := os.Chmod(fresh, old.Mode().Perm()); err != nil {
		return err
	}
	if err := chownLike(fresh, old); err != nil {
		return err
	}
	return flush(fresh)
}

// flush makes a file, or the names in a directory, durable.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func copyDatabase(ctx context.Context, db *sql.DB, path, fresh string) error {
	if _, err := db.ExecContext(ctx, "ATTACH "+literal(path)+" AS old (READ_ONLY)"); err != nil {
		return openError(path, err)
	}
	// Whoever had the file for a moment and broke off has left a log, which
	// would be taken for the new file's.
	if _, err := os.Stat(path + ".wal"); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(errors.New("another process has written to it meanwhile: try again"), err)
	}
	for _, statement := range []string{
		"ATTACH " + literal(fresh) + " AS new",
		"COPY FROM DATABASE old TO new",
		"DETACH new",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
