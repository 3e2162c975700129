package records

import (
	"errors"
	"io"
	"sync"
)

// A Block is a run of whole records. The blocks of a range follow each other
// without a gap.
type Block struct {
	// Start and End are the bytes of the file that the block covers: its
	// records and the white space, commas and brackets around them.
	Start, End int64

	*memory       // nil once released
	uncut   bool  // data is a run of objects as it stands, else that of the records found
	base    int64 // where data begins in the file, if uncut
	line    int   // the line of the block on which it begins, if uncut
}

// memory is what a block holds, and what blocks use one after the other.
type memory struct {
	data  []byte
	found []Record
	size  int // of data when it was new
}

// pool holds the memory of released blocks.
var pool = sync.Pool{New: func() any { return new(memory) }}

// newMemory returns empty memory for blocks of the given size. It has some more
// room: a gathered block ends behind the record with which it is full.
func newMemory(size int) *memory {
	size += size / 8
	m := pool.Get().(*memory)
	if m.size != size {
		m.data, m.size = make([]byte, 0, size), size
	}
	m.data, m.found = m.data[:0], m.found[:0]
	return m
}

// settle lets the records found have their data from the block's.
func (m *memory) settle() {
	at := 0
	for i := range m.found {
		end := at + len(m.found[i].Data)
		m.found[i].Data = m.data[at:end:end]
		at = end
	}
}

// Records appends the block's records to dst. Their numbers and lines count
// from 1 within the block, their offsets from the file's start. Their Data
// stays valid until Release. It may be called by any one goroutine, also while
// Next runs. The error is that the block was released.
func (b *Block) Records(dst []Record) ([]Record, error) {
	if b.memory == nil {
		return dst, errors.New("block of records was released")
	}
	if !b.uncut {
		return append(dst, b.found...), nil
	}
	r := &Reader{buf: b.data, err: io.EOF, offset: b.base, start: b.base, line: b.line}
	r.next = r.nextObject
	for {
		rec, err := r.Next()
		if err != nil {
			return dst, nil //nolint:nilerr // a run of objects in memory has no other error than its end
		}
		dst = append(dst, rec)
	}
}

// Release lets the block's memory be used again, by blocks of whatever file.
// Nothing may look at the records' Data any more. A block that is not released
// is left to the garbage collector.
func (b *Block) Release() {
	m := b.memory
	b.memory = nil
	if m == nil {
		return
	}
	if cap(m.data) > 2*m.size { // it had a record that was too large
		m.data, m.size = nil, 0
	}
	clear(m.found) // they may hold on to data that is gone
	pool.Put(m)
}
