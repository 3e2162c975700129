package transform

import "time"

// A Checkpoint is a row of backfill_checkpoints: a piece of a file whose events
// are durable.
type Checkpoint struct {
	Location   string
	Version    string // "" where the file's store tells none
	Start, End int64  // in bytes of what the file holds, decompressed
	AtEnd      bool   // the file ended at End
	Digest     string // of the piece's bytes
	Selection  string // "" for all events

	// Counts of records: Records is the sum of the others.
	Records, Written, Duplicates, Dead, Filtered int64

	Via           string // "load", "stream" or "append"
	CommittedAt   time.Time
	WorkerID      string
	WorkerVersion string
}

// AppendCheckpoint appends a row to backfill_checkpoints.
func (r *Rows) AppendCheckpoint(c Checkpoint) {
	w := r.begin(BackfillCheckpoints)
	w.str(c.Location)
	w.str(c.Version)
	w.int(c.Start)
	w.int(c.End)
	w.bool(c.AtEnd)
	w.str(c.Digest)
	w.text([]byte(c.Selection)) // "" is a value
	w.int(c.Records)
	w.int(c.Written)
	w.int(c.Duplicates)
	w.int(c.Dead)
	w.int(c.Filtered)
	w.str(c.Via)
	w.time(c.CommittedAt)
	w.str(c.WorkerID)
	w.str(c.WorkerVersion)
	w.end()
}
