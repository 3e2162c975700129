// Package backfill is the source of a history: files of events become messages
// of the pipeline, and the warehouse keeps how far they have been read.
//
// A file is read in units: ranges of it where it can be split, else the whole.
// A unit is read in blocks, some whole records each, which are handed over as
// they come; a run of blocks is a piece. When every record of a piece is
// durable a checkpoint says so, with a digest of the piece's bytes. A backfill
// that is repeated, by whoever and wherever, leaves out what stands there:
// content decides, names do not. What is read twice all the same does no harm,
// since rows are identified by their content.
package backfill

import (
	"time"

	"leadsync/sinks"
	"leadsync/sync/files"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// A Done is a checkpoint read back: the piece of a file that was read, from
// Start up to but not including End.
type Done struct {
	Location, Version string
	Start, End        int64 // in bytes of what the file holds, decompressed
	AtEnd             bool  // the file ended at End
	Digest            string
}

// Changed says what is done with a file that holds, where it was read before,
// other bytes than then. One that has only grown has not changed.
type Changed string

// The choices.
const (
	Refuse Changed = "refuse" // nothing of it is read, and Run returns a [ChangedError] of it
	Again  Changed = "again"  // what differs is read; the rows made before stay
	Keep   Changed = "keep"   // nothing more of it is read, and that is no error
)

// A DeadRecord is a record that became a dead letter.
type DeadRecord struct {
	Location  string
	Offset    int64 // of its first byte, decompressed; in Avro, of the block that holds it
	Number    int64 // counted from 1, from the record at or after From
	From      int64 // where counting began: 0, unless the file was read from its middle
	Rejection *transform.Rejection
}

// Config are the settings of a backfill.
type Config struct {
	Store *files.Store
	Paths []string // as [files.Store.List] takes them

	// Sink takes the checkpoints, and everything else where Loader is nil.
	Sink sinks.Sink

	// Loader takes rows, dead letters and the ledger in parts, each of which
	// counts as a whole once it is committed. nil: there are no parts.
	Loader sinks.Loader

	// Via is the way into the warehouse, for the checkpoints: "append",
	// "stream" or "load".
	Via string

	// Pipeline has Transform, the batches' sizes (here by default 4000 rows
	// and 4 MiB, 4 of them in flight), DrainTimeout, DuplicateWindow, Letters,
	// Now, WorkerID, WorkerVersion, Logger and Observer; the rest is set here.
	Pipeline pipeline.Config

	// Selection says which events are wanted. What is no event becomes a dead
	// letter, wanted or not.
	Selection Selection

	// Done are the checkpoints of this selection, and those of all events.
	Done []Done

	// Changed is what is done with changed files; "" is Refuse.
	Changed Changed

	// Again reads everything, whatever is done.
	Again bool

	// Rate is how many records a second are handed over at most. 0: no limit.
	Rate float64

	// Task TaskIndex, counted from 0, of TaskCount reads its share of the
	// files. TaskCount 0 is 1.
	TaskIndex, TaskCount int

	// PieceBytes is the size of a piece, as far as records allow, and
	// PartBytes that of a Loader's parts, in bytes as stored. 0: 64 MiB and
	// 1 GiB. All runs over the same files should have the same PieceBytes,
	// else some pieces are read again, and all tasks of one run must.
	PieceBytes, PartBytes int64

	// DryRun writes no checkpoints. That nothing else is kept is up to Sink.
	DryRun bool

	// Dead is told of each record that became a dead letter, once that is
	// durable or, with a Loader, staged. It is called concurrently and must
	// return soon. nil: nobody is told.
	Dead func(DeadRecord)
}

const (
	defaultPieceBytes = 64 << 20
	defaultPartBytes  = 1 << 30
)

// blockBytes is the size of a block: what one goroutine makes messages of.
func (cfg *Config) blockBytes() int { return int(min(1<<20, cfg.PieceBytes/4+1)) }

// setDefaults fills what was left zero.
func (cfg *Config) setDefaults() {
	if cfg.PieceBytes <= 0 {
		cfg.PieceBytes = defaultPieceBytes
	}
	if cfg.PartBytes <= 0 {
		cfg.PartBytes = defaultPartBytes
	}
	if cfg.TaskCount <= 0 {
		cfg.TaskCount = 1
	}
	if cfg.Changed == "" {
		cfg.Changed = Refuse
	}
	if cfg.Again {
		cfg.Done = nil
	}
	p := &cfg.Pipeline
	if p.MaxRows <= 0 {
		p.MaxRows = 4000
	}
	if p.MaxBytes <= 0 {
		p.MaxBytes = 4 << 20
	}
	if p.InFlight <= 0 {
		p.InFlight = 4
	}
	if p.DrainTimeout <= 0 {
		p.DrainTimeout = 8 * time.Second
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	p.IngestSource = "backfill"
	p.Wants = cfg.Selection.wants()
	p.Origin = origin
}
