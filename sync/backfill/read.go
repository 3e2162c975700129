package backfill

import (
	"bytes"
	"context"
	"errors"
	"io"

	"leadsync/sync/exports"
	"leadsync/sync/files"
	"leadsync/sync/records"
)

// A job is a unit of which something is left to read.
type job struct {
	*unit
	lo, hi int64 // bounds of a range's records; -1: not known
	from   int64 // what comes before is done; -1: nothing is, and lo is not known
}

// A reading is a job being done, by one goroutine.
type reading struct {
	*job
	source *source
	input  *input
	packed bool // the file is compressed

	tap     tap
	pos     int64            // end of the last block
	start   int64            // of the present piece; -1: where its first block begins
	after   int64            // records that end here or before are done
	piece   *piece           // nil: nothing of it has come
	maybe   bool             // it may turn out to be done
	pending []*records.Block // which are kept until that is known

	counted *counted // records so far
	counts  int64    // offset where counting began
}

// read does a job. A fault ends it, and no other.
func (s *source) read(ctx context.Context, j *job) {
	r := &reading{job: j, source: s, start: j.from, after: j.from, counts: max(0, j.from), counted: none}
	err := r.run(ctx)
	if ctx.Err() != nil {
		return // its piece stays unfinished
	}
	if err != nil {
		s.fault(r, err)
		return
	}
	r.input.finish()
}

// run returns nil at the end of the unit.
func (r *reading) run(ctx context.Context) error {
	p := r.source.plan
	var err error
	if r.input, err = p.open(ctx, r.file, r.unit.start, -1); err != nil {
		return err
	}
	defer r.input.Close() //nolint:errcheck // it was only read
	r.input.report(&p.progress, r.unit)
	if r.split {
		cfg := records.BlockConfig{Start: r.unit.start, End: r.unit.end, Size: p.cfg.blockBytes(), Tap: &r.tap}
		if cfg.End == r.file.Size {
			cfg.End = 0
		}
		if r.from >= 0 {
			r.tap.skip = r.from - r.lo
		}
		return r.blocks(ctx, records.NewBlocks(r.input, cfg))
	}
	src, compression, err := files.Decompress(r.input)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // it was only read
	r.packed = compression != ""
	head, err := io.ReadAll(io.LimitReader(src, 4))
	if err != nil {
		return err
	}
	whole := io.MultiReader(bytes.NewReader(head), src)
	if exports.IsAvro(head) {
		return r.avro(ctx, whole)
	}
	r.start = max(0, r.from)
	r.tap.skip = r.start
	return r.blocks(ctx, records.NewBlocks(whole, records.BlockConfig{Size: p.cfg.blockBytes(), Tap: &r.tap}))
}

// blocks reads blocks to the end of the unit.
func (r *reading) blocks(ctx context.Context, blocks *records.Blocks) error {
	for ctx.Err() == nil {
		b, err := blocks.Next()
		if errors.Is(err, io.EOF) {
			r.end(ctx)
			return nil
		}
		if err != nil {
			r.close(ctx, false)
			return err
		}
		r.pos = b.End
		if b.End <= r.start { // done, but for a block that ends beyond
			b.Release()
			continue
		}
		r.take(ctx, b)
	}
	return nil
}

// take takes the next block into the present piece, and closes that at the
// first block's end beyond each multiple of the pieces' size. A range is one
// piece.
func (r *reading) take(ctx context.Context, b *records.Block) {
	if r.piece == nil {
		if r.start < 0 {
			r.start, r.counts = b.Start, b.Start
		}
		r.begin()
	}
	if r.maybe {
		r.pending = append(r.pending, b)
	} else {
		r.send(ctx, b)
	}
	if size := r.source.plan.cfg.PieceBytes; !r.split && b.End/size > r.start/size {
		r.close(ctx, false)
	}
}

// begin begins a piece.
func (r *reading) begin() {
	r.piece = &piece{file: r.file, start: r.start, settled: r.source.durable}
	r.piece.open.Store(1)
	r.maybe = r.mayBeDone()
}

// mayBeDone reports whether a piece that begins here was read, perhaps from
// another file. Where the file lies now, nothing was, and a range was looked at
// before.
func (r *reading) mayBeDone() bool {
	p := r.source.plan
	if r.split || !p.finished.startsIn(r.start, r.start) {
		return false
	}
	size := p.cfg.PieceBytes
	if r.packed || r.file.Size < 0 || r.file.Size/size > r.start/size {
		return true
	}
	return p.finished.hasRange(r.start, r.file.Size)
}

// end closes the last piece of the unit. A file that ended with the last one
// gets an empty one, so that its end stands in a checkpoint.
func (r *reading) end(ctx context.Context) {
	atEnd := !r.split || r.pos == r.file.Size
	if r.piece == nil && !r.split {
		r.begin()
	}
	r.close(ctx, atEnd)
}

// close ends the present piece, if there is one, with the last block.
func (r *reading) close(ctx context.Context, atEnd bool) {
	p := r.piece
	if p == nil {
		return
	}
	p.end, p.atEnd, p.digest = max(r.pos, r.start), atEnd, r.tap.take()
	r.piece, r.start = nil, p.end
	if r.maybe && r.source.plan.finished.has(p.start, p.end, p.digest) {
		r.drop()
		return
	}
	r.maybe = false
	pending := r.pending
	r.pending = nil
	for _, b := range pending {
		r.sendOf(ctx, p, b)
	}
	if ctx.Err() != nil {
		p.broken.Store(true)
	}
	p.leave()
}

// drop leaves out the piece that was just closed: it is done.
func (r *reading) drop() {
	for _, b := range r.pending {
		b.Release()
	}
	r.pending, r.maybe = nil, false
	r.counted, r.counts = none, r.start
	r.source.skipped.Add(1)
	r.source.plan.progress.skipped.Add(1)
}

func (r *reading) send(ctx context.Context, b *records.Block) { r.sendOf(ctx, r.piece, b) }

// sendOf sends a block of the piece on its way.
func (r *reading) sendOf(ctx context.Context, p *piece, b *records.Block) {
	f := r.flight(p)
	f.block, f.after = b, r.after
	r.launch(ctx, f, min(b.End-b.Start, maxBlock))
}

// maxBlock is about what a block takes at most, whatever it covers.
const maxBlock = 16 << 20

// flight returns a flight for what comes next.
func (r *reading) flight(p *piece) *flight {
	f := r.source.pool.Get().(*flight)
	f.piece, f.before, f.through, f.counts = p, r.counted, newCounted(), r.counts
	return f
}

// launch sends a flight on its way when there is room for it.
func (r *reading) launch(ctx context.Context, f *flight, size int64) {
	r.counted = f.through
	f.piece.open.Add(1)
	r.source.aloft.Add(1)
	if !r.source.budget.take(ctx, size) {
		size = 0
	}
	f.size = size
	select {
	case r.source.flights <- f:
	case <-ctx.Done():
		f.piece.broken.Store(true)
		r.source.landed(f)
	}
}
