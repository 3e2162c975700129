package backfill

import (
	"sync/atomic"

	"leadsync/sync/pipeline"
)

// Progress is how far a run has come.
type Progress struct {
	// Bytes of TotalBytes have been read or left out, as stored. TotalBytes
	// is -1 if the size of a file is unknown.
	Bytes, TotalBytes int64

	// Records that have become durable or, with a Loader, were staged.
	Records, Written, Duplicates, Filtered, Dead int64

	Pieces  int64 // whose records all are
	Skipped int64 // pieces that were left out because they were done

	Parts, TotalParts int64 // committed or left out, and in all; 0 without a Loader
}

// progress is the counters behind a [Progress].
type progress struct {
	bytes, pieces, skipped, parts atomic.Int64

	outcomes          [len(pipeline.Outcomes)]atomic.Int64
	total, totalParts int64
}

func (p *progress) init(units []*unit, share Share) {
	p.total, p.totalParts = share.Bytes, int64(share.Parts)
	for _, u := range units {
		if u.file.Size < 0 {
			p.total = -1
		}
	}
}

// Progress returns how far the run has come. It may be called at any time, also
// before Run.
func (p *Plan) Progress() Progress {
	c := &p.progress
	count := func(o pipeline.Outcome) int64 { return c.outcomes[o].Load() }
	now := Progress{
		Bytes: c.bytes.Load(), TotalBytes: c.total,
		Written: count(pipeline.Written), Duplicates: count(pipeline.Duplicate),
		Filtered: count(pipeline.Filtered), Dead: count(pipeline.Dead),
		Pieces: c.pieces.Load(), Skipped: c.skipped.Load(), Parts: c.parts.Load(), TotalParts: c.totalParts,
	}
	now.Records = now.Written + now.Duplicates + now.Filtered + now.Dead
	if c.total >= 0 { // ranges are read a little beyond their end
		now.Bytes = min(now.Bytes, c.total)
	}
	return now
}
