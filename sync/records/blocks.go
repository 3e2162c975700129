package records

import (
	"fmt"
	"io"
)

// blockSize is what a block aims at unless it is told otherwise.
const blockSize = 1 << 20

// A BlockConfig says what a [Blocks] reads.
type BlockConfig struct {
	// Start and End are the range of the file that is read, in bytes of what
	// it holds; End 0 is the end of the input. Of two ranges that meet at x
	// the one before holds the records up to the cut of x, the one behind
	// those from there on. The cut of 0 is 0, that of another x the first
	// line at which a new record is sure to begin, as far as the bytes from x
	// on tell; the input's end if there is none. So ranges that tile a file
	// share nothing and leave out nothing, whatever it holds; a range in which
	// there is no cut is empty, and the one before it runs on.
	//
	// Only a [Splittable] file is to be read in ranges. A range that does not
	// begin at 0 takes for granted that the file is no array.
	Start, End int64

	// Size is how many bytes a block aims at; 0: 1 MiB.
	Size int

	// Tap is given every byte of the range once, in order, by the goroutine
	// that calls Next. When Next returns a block it has had exactly the bytes
	// before Block.End. Nil: nobody is told.
	Tap io.Writer
}

// Blocks cuts a stream of records into blocks of whole records, the very ones
// that a [Reader] of the stream returns. It does as little as it can to find
// them: where lines are records most of the work is left to [Block.Records],
// which many goroutines may do at once. It is for one goroutine.
//
// Its memory is bounded whatever comes in: 32 MiB, of which files of lines of
// usual sizes need none to speak of, and the blocks that are not released. A
// block takes its size and an eighth, 8 MiB more if its last record is as large
// as that, and where Next had to find the records itself 56 bytes for each, of
// which there are at most one for each 64 bytes of its size.
type Blocks struct {
	cfg  BlockConfig
	in   *Reader
	span *span
	end  int64 // of the last block
	done error

	opened bool // the range's start was found, and the form

	held    []byte // what the reader went past and Tap was not given
	through bool   // Tap is given it at once
	tapErr  error  // why Tap takes no more
}

// NewBlocks returns the Blocks of src, which stands at byte cfg.Start of what
// the file holds and reads on past cfg.End.
func NewBlocks(src io.Reader, cfg BlockConfig) *Blocks {
	if cfg.Size <= 0 {
		cfg.Size = blockSize
	}
	s := &span{src: src, end: cfg.End}
	b := &Blocks{cfg: cfg, span: s, in: NewReader(s)}
	if cfg.Tap != nil {
		b.in.gone = b.hold
	}
	return b
}

// Next returns the next block, [io.EOF] after the last. A block may hold no
// record (the white space at a file's end). Another error means what it means
// for [Reader.Next], or that Tap failed; the records before the fault came in
// blocks before. It is returned by every later call too.
func (b *Blocks) Next() (*Block, error) {
	if b.done != nil {
		return nil, b.done
	}
	b.through = true
	line := b.in.line
	if !b.opened {
		b.opened = true
		b.done = b.open()
	}
	blk := &Block{Start: b.end, line: b.in.line - line + 1, memory: newMemory(b.cfg.Size)}
	if b.done == nil && !b.chunk(blk) {
		b.gather(blk, line)
	}
	if b.done == io.EOF { //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
		b.flush()
		blk.End = b.in.offset
	}
	if b.tapErr != nil {
		b.done = fmt.Errorf("hand on input from offset %d: %w", blk.Start, b.tapErr)
	}
	if blk.End <= blk.Start || b.tapErr != nil {
		blk.Release()
		return nil, b.done
	}
	b.end = blk.End
	return blk, nil
}

// open goes to the range's start and finds out which form the input has.
func (b *Blocks) open() error {
	in := b.in
	b.end = b.span.from(b.cfg.Start)
	in.offset, in.start = b.end, b.end
	if b.cfg.Start == 0 {
		return in.detect()
	}
	in.next = in.nextObject
	return nil
}

// chunk makes the block of the bytes that come next as they stand, up to the
// last place among them at which a range could be cut. It reports whether it
// could: the reader must be where nothing before it matters, as behind such a
// cut.
func (b *Blocks) chunk(blk *Block) bool {
	in, size := b.in, b.cfg.Size
	if in.array || in.spread || in.offset != in.start {
		return false
	}
	unread := in.buf[in.pos:]
	data := append(blk.data, unread[:min(len(unread), size)]...)
	for len(data) < size && in.err == nil {
		n := in.fill(data[len(data):size])
		data = data[:len(data)+n]
	}
	n := len(data)
	if in.err != io.EOF || len(unread) > size { //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
		n = lastCut(data)
	}
	if len(unread) > size {
		in.pos += n
	} else {
		in.buf, in.pos = append(in.buf[:0], data[n:]...), 0
	}
	if n == 0 {
		return false
	}
	blk.data, blk.base, blk.uncut = data[:n], in.offset, true
	in.offset += int64(n)
	in.start = in.offset
	blk.End = in.offset
	b.tap(blk.data)
	return true
}

// gather makes the block of records that it reads one by one. The block's
// first line is the given one of the reader.
func (b *Blocks) gather(blk *Block, line int) {
	in := b.in
	for more := true; more; {
		in.wary = len(blk.found) > 0
		rec, err := in.read()
		if err == errLarge { //nolint:errorlint // it is never wrapped
			break
		}
		if err != nil {
			b.done = err
			break
		}
		rec.Number, rec.Line = len(blk.found)+1, rec.Line-line+1
		blk.data = append(blk.data, rec.Data...)
		blk.found = append(blk.found, rec)
		b.flush()
		b.through, blk.End = false, in.offset
		more = blk.End-blk.Start < int64(b.cfg.Size) && len(rec.Data) < limit &&
			len(blk.found) < max(1, b.cfg.Size/64) && !b.gapAhead()
	}
	blk.settle()
	if b.done == nil && b.toLine() {
		blk.End = in.offset
	}
}

// gapAhead reports whether so much white space comes next that it must not be
// held until the next record is found.
func (b *Blocks) gapAhead() bool {
	if b.cfg.Tap == nil {
		return false
	}
	_, st := b.in.find(0, sight, gapEnd)
	return st == large
}

// gapEnd is the step to what is neither white space nor a comma.
func gapEnd(piece []byte) (int, status) {
	for i, c := range piece {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != ',' {
			return i, ended
		}
	}
	return len(piece), open
}

// toLine goes to the next line if nothing is left on this one, so that the next
// block may be a chunk, and reports whether it did.
func (b *Blocks) toLine() bool {
	in := b.in
	if in.array || in.spread || in.offset == in.start {
		return false
	}
	n, st := in.find(0, sight, blankEnd)
	if st != ended || in.buf[in.pos+n] != '\n' {
		return false
	}
	in.advance(n + 1)
	b.flush()
	return true
}

// hold is told what the reader goes past.
func (b *Blocks) hold(p []byte) {
	if b.through {
		b.tap(p)
		return
	}
	b.held = append(b.held, p...)
}

// flush gives Tap what is held.
func (b *Blocks) flush() {
	b.tap(b.held)
	b.held = b.held[:0]
}

func (b *Blocks) tap(p []byte) {
	if b.cfg.Tap != nil && b.tapErr == nil && len(p) > 0 {
		_, b.tapErr = b.cfg.Tap.Write(p)
	}
}
