package sinks

import "context"

// A Loader writes large amounts of rows that only count once they are
// committed. Its methods may be called concurrently.
type Loader interface {
	// Begin begins a load. id, at most 64 letters, digits, - and _, tells it
	// from others: the same id must mean the same rows. A loader that can tell
	// that the load was committed before takes the rows again and writes
	// nothing; rows of one that was not committed whole may be written again.
	Begin(ctx context.Context, id string) (Load, error)

	// Close releases what the loader holds. Call it once, after every load
	// was closed.
	Close() error
}

// A Load is the rows of one load.
type Load interface {
	// Write stages rows: they count once Commit has returned nil. Everything
	// else is as [Sink] says. Close without a commit discards what was staged.
	Sink

	// Commit makes what was staged durable, all rows of a table together, and
	// retries what may pass by itself until ctx ends. Call it once, after the
	// last Write has returned. After an error nothing is known: some tables
	// may have their rows.
	Commit(ctx context.Context) error
}
