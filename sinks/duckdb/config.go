// Package duckdb is the embedded warehouse: a DuckDB database in one file,
// with the same tables and views as BigQuery, and nothing to set up. [DB] is
// both the sink that writes into it and the warehouse that people query.
//
// A database file belongs to one process at a time: nobody else can read it
// while a worker has it open. DuckDB comes linked in by cgo; a build without
// cgo, or with the tag noduckdb, has the same API, and its [Open] says what
// is missing. The library never reaches for the network.
package duckdb

import (
	"log/slog"

	"leadsync/sinks"
)

// InMemory is the path of a database that lives in memory and ends with its [DB].
const InMemory = ":memory:"

// Config says which database to open.
type Config struct {
	// Path is the database's file; it is created if absent. It must not hold
	// any of ? % #, which the library would take for settings.
	Path string

	// Zone is the IANA name of the zone in which views count days. Empty
	// means Asia/Shanghai.
	Zone string

	// ReadOnly opens the file for queries and plans alone: it must exist,
	// nothing in it is created or changed, and several processes may have it
	// open in this way at once.
	ReadOnly bool

	// Logger is told when writes begin to be held back and when they go
	// through again. nil discards.
	Logger *slog.Logger

	// Observer is told of every append. nil: nobody is.
	Observer sinks.Observer
}

func (c Config) withDefaults() Config {
	if c.Zone == "" {
		c.Zone = "Asia/Shanghai"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
