//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	duck "github.com/duckdb/duckdb-go/v2"

	"leadsync/sinks"
	"leadsync/transform"
)

// Available tells whether this build has the embedded warehouse.
const Available = true

// readers bounds how many queries run at once.
const readers = 4

// A DB is an open database: a [sinks.Sink] and a [sinks.Warehouse]. Its
// methods may be called concurrently, but for Close; one Write runs at a time
// and others wait for it, queries run beside it.
type DB struct {
	cfg     Config
	loaders [transform.NumTables]*loader

	writing chan struct{} // holds a token while somebody writes
	writer  driver.Conn   // of whom writes; nil while there is no database to be had

	mu        sync.RWMutex // held for reading while the pool is used; to change these, hold the token too
	connector *duck.Connector
	pool      *sql.DB     // for queries and plans; nil as the writer is
	file      fs.FileInfo // that is open; nil in memory, and while none is

	held atomic.Pointer[error] // why writes are held back; nil while they go through
}

var (
	_ sinks.Sink      = (*DB)(nil)
	_ sinks.Warehouse = (*DB)(nil)
)

// Open opens the database, creates its file if absent, and brings tables and
// views up to their definitions: see [DB.Plan]. A difference that cannot be
// mended, a file that another process has open and one that is no DuckDB
// database are errors that say so. Close it when done.
//
// A database opened for reading is taken as it is.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d := &DB{cfg: cfg.withDefaults(), writing: make(chan struct{}, 1)}
	if err := d.checkPath(); err != nil {
		return nil, fmt.Errorf("open warehouse: %w", err)
	}
	var err error
	for id := range d.loaders {
		if d.loaders[id], err = newLoader(transform.TableID(id)); err != nil {
			return nil, fmt.Errorf("open warehouse: %w", err)
		}
	}
	if !cfg.ReadOnly && cfg.Path != InMemory {
		if err := create(cfg.Path); err != nil {
			return nil, openError(cfg.Path, err)
		}
	}
	if err := d.connect(ctx); err != nil {
		return nil, err
	}
	if cfg.ReadOnly {
		return d, nil
	}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// migrate brings tables and views up to their definitions.
func (d *DB) migrate(ctx context.Context) error {
	plan, err := d.Plan(ctx)
	if err != nil {
		return err
	}
	return d.Apply(ctx, plan)
}

func (d *DB) checkPath() error {
	path := d.cfg.Path
	switch {
	case path == "":
		return errors.New("DUCKDB_PATH is empty")
	case path == InMemory:
		return nil
	case strings.ContainsAny(path, "?%#"):
		return fmt.Errorf("DUCKDB_PATH %s holds one of ? %% #, which no path of a database may", path)
	case d.cfg.ReadOnly:
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("DUCKDB_PATH %s: there is no such file; leadsync run or leadsync demo creates it", path)
		}
	}
	return nil
}

// settings of every database: what is needed is linked in, and the library
// would otherwise download it. The log of what was committed is worked into the
// file when it has 64 MiB instead of 16: that takes half the CPU time of a
// backfill, and a second of opening after a kill at worst.
const settings = "?autoinstall_known_extensions=false&autoload_known_extensions=false&checkpoint_threshold=64MiB"

// connect opens the database's file, which must be there, and the connections
// to it.
func (d *DB) connect(ctx context.Context) error {
	var file fs.FileInfo
	if d.cfg.Path != InMemory {
		var err error
		if file, err = os.Stat(d.cfg.Path); err != nil { // else the library would make one
			return openError(d.cfg.Path, err)
		}
	}
	dsn := d.cfg.Path + settings
	if d.cfg.ReadOnly && d.cfg.Path != InMemory {
		dsn += "&access_mode=READ_ONLY"
	}
	connector, err := duck.NewConnector(dsn, func(conn driver.ExecerContext) error {
		// Nothing may depend on the zone of the machine. DuckDB 1.5 cannot bind
		// some joins of our views when it computes what they share only once.
		_, err := conn.ExecContext(context.Background(), "SET TimeZone = 'UTC'; SET disabled_optimizers = 'common_subplan'", nil)
		return err
	})
	if err != nil {
		return openError(d.cfg.Path, err)
	}
	pool := sql.OpenDB(connector) // and closes the connector
	pool.SetMaxOpenConns(readers)
	pool.SetMaxIdleConns(readers)
	writer, err := connector.Connect(ctx)
	if err != nil {
		return errors.Join(openError(d.cfg.Path, err), pool.Close())
	}
	d.connector, d.pool, d.writer, d.file = connector, pool, writer, file
	return nil
}

// disconnect gives the database's file free.
func (d *DB) disconnect() error {
	if d.pool == nil {
		return nil
	}
	err := errors.Join(d.writer.Close(), d.pool.Close())
	d.connector, d.pool, d.writer, d.file = nil, nil, nil, nil
	return err
}

// reopen lets go of the database, in whatever state it is, and opens its file
// anew.
func (d *DB) reopen(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.disconnect()
	return d.connect(ctx)
}

// afresh opens the database anew after a failed commit. What that had begun to
// put into the tables the library takes back, but not whole: the next row to
// follow would have in its texts those that were taken back (seen with DuckDB
// 1.5). In memory no commit can fail for want of room.
func (d *DB) afresh() error {
	if d.cfg.Path == InMemory {
		return nil
	}
	return d.reopen(context.Background()) // it must not be left as it is, whoever has lost patience
}

// Close writes what the library still holds in its log into the file, and
// gives the file free. It waits for queries that run.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.disconnect(); err != nil {
		return fmt.Errorf("close warehouse %s: %w", d.cfg.Path, err)
	}
	return nil
}

var lockHolder = regexp.MustCompile(`Conflicting lock is held in (\S+) \(PID (\d+)\)`)

// openError says what to do about a database that cannot be opened.
func openError(path string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Could not set lock on file"), strings.Contains(text, "being used by another process"):
		who := "another process"
		if m := lockHolder.FindStringSubmatch(text); m != nil {
			who = fmt.Sprintf("another process (%s, PID %s)", m[1], m[2])
		}
		return &HeldError{Path: path, Holder: who}
	case strings.Contains(text, "not a valid DuckDB database file"):
		return fmt.Errorf("open warehouse %s: the file is not a DuckDB database: set DUCKDB_PATH to another file", path)
	case strings.Contains(text, "replaying WAL"):
		return fmt.Errorf("open warehouse %s: what was written last, which is in %s.wal, cannot be read: restore both files from a copy, "+
			"or move the second away, which loses the rows that are only in it: %w", path, path, err)
	case strings.Contains(text, "different configuration"):
		return fmt.Errorf("open warehouse %s: this process has it open already, in another mode: %w", path, err)
	}
	return fmt.Errorf("open warehouse %s: %w", path, err)
}
