// Package records splits a stream into the bytes of single events. It reads
// JSON texts one a line (NDJSON), one after the other (pretty-printed or not),
// or the elements of one JSON array of any size, and tells which of them it
// has before it from the content.
//
// It finds where records begin and end and leaves judging them to the
// transform: a malformed one comes out as it stands, and those around it come
// out whole. Memory stays bounded whatever comes in.
package records

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"leadsync/transform"
)

// limit is how much of a record is kept: one byte more than an event may have,
// so that the transform can tell that it is too large.
const limit = transform.MaxPayload + 1

// A Record is one event's bytes and its place in the input.
type Record struct {
	// Data is the record without white space around it, cut short if it is
	// larger than an event may be. It stays valid until the next call of
	// [Reader.Next].
	Data []byte

	Number int   // counted from 1
	Line   int   // on which it begins, counted from 1
	Offset int64 // of its first byte from the start of the input
	Size   int64 // in bytes; more than len(Data) if it was cut short
}

// A Reader reads records. It is for one goroutine.
type Reader struct {
	src io.Reader
	buf []byte // read and not yet handed out, from pos on
	pos int
	err error // why src gives no more

	offset int64 // of buf[pos] in the input
	line   int   // of buf[pos], counted from 1
	start  int64 // offset at which that line begins

	next   func() (Record, error) // how the form found is read; nil: not known yet
	number int
	done   error

	indent int64 // white space before the first record on the present line
	spread bool  // the last well-formed record took several lines
	array  bool  // the input is one array
	opened bool  // an element of it was read
	before bool  // the present place is an element's first byte

	// Of a reader that makes blocks:
	gone func([]byte) // is given what the reader goes past; nil: nobody is
	wary bool         // a record that is too large to be kept is errLarge instead
}

// errLarge is returned instead of a record that is too large to be kept; the
// reader has not gone past it.
var errLarge = errors.New("record is too large to be kept")

// NewReader returns a Reader of src. It reads ahead by up to about an event's
// largest size.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, line: 1}
}

// Next returns the next record, [io.EOF] after the last. Another error means
// that the input could not be read, or that an array is malformed in a way
// that leaves unknown where its next element begins; it says where. It is
// returned by every later call too.
func (r *Reader) Next() (Record, error) {
	if r.done != nil {
		return Record{}, r.done
	}
	if r.next == nil {
		if r.done = r.detect(); r.done != nil {
			return Record{}, r.done
		}
	}
	rec, err := r.read()
	if err != nil {
		r.done = err
		return Record{}, err
	}
	return rec, nil
}

// read returns the next record of the form that was found.
func (r *Reader) read() (Record, error) {
	rec, err := r.next()
	if err != nil {
		return Record{}, err
	}
	r.number++
	rec.Number = r.number
	if rec.Size < int64(len(rec.Data)) { // what follows within the limit is white space
		rec.Data = rec.Data[:rec.Size:rec.Size]
	}
	return rec, nil
}

// detect finds out which form the input has.
func (r *Reader) detect() error {
	switch start := r.peek(3); {
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		return errors.New("input is UTF-16; UTF-8 is wanted")
	case bytes.HasPrefix(start, []byte{0xef, 0xbb, 0xbf}):
		r.advance(3)
		r.start = r.offset
	}
	if !r.skipSpace() {
		return r.end()
	}
	r.next = r.nextObject
	if r.buf[r.pos] == '[' && r.holdsArray() {
		r.advance(1)
		r.array = true
		r.next = r.nextElement
	}
	return nil
}

// holdsArray reports whether the input, which begins with '[', is an array of
// events. It is not if that bracket is closed on its line, within the first
// MiB, and more follows: then it is the first of several lines.
func (r *Reader) holdsArray() bool {
	end, _ := r.find(0, 1<<20, lineEnd)
	var s scanner
	n, st := s.scan(r.buf[r.pos : r.pos+end])
	if st != ended {
		return true
	}
	_, st = r.extent(n, spaceEnd)
	return st != ended
}

// end returns the error for the end of the input: io.EOF, or what stopped it.
func (r *Reader) end() error {
	if r.err == io.EOF { //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
		return io.EOF
	}
	return fmt.Errorf("read input at offset %d: %w", r.offset+int64(len(r.buf)-r.pos), r.err)
}

// broken reports whether the input ended by an error, so that what is left of
// it may be part of a record only.
func (r *Reader) broken() bool {
	return r.err != nil && r.err != io.EOF //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
}

// record returns the record of n bytes at the present place, the white space at
// its end left out, and goes past it.
func (r *Reader) record(n int) Record {
	data := bytes.TrimRight(r.buf[r.pos:r.pos+n], space)
	rec := Record{Line: r.line, Offset: r.offset, Size: int64(len(data))}
	end := min(len(data), limit)
	rec.Data = data[:end:end]
	r.advance(len(data))
	return rec
}

// skim returns the record at the present place that is too large to be kept,
// of which n bytes were read, and goes past the end that step finds. It also
// returns how that search ended.
func (r *Reader) skim(n int, step step) (Record, status, error) {
	if r.wary {
		return Record{}, large, errLarge
	}
	read := r.buf[r.pos : r.pos+n]
	rec := Record{Data: bytes.Clone(read[:limit]), Line: r.line, Offset: r.offset}
	rec.Size = int64(len(bytes.TrimRight(read, space)))
	r.advance(n)
	return rec, r.swallow(&rec, step), nil
}

// swallow goes past the end that step finds, adds what it goes past to the
// record's size, and returns how that search ended.
func (r *Reader) swallow(rec *Record, step step) status {
	return r.pass(func(piece []byte) (int, status) {
		n, st := step(piece)
		if text := bytes.TrimRight(piece[:n], space); len(text) > 0 {
			rec.Size = r.offset + int64(len(text)) - rec.Offset
		}
		return n, st
	})
}
