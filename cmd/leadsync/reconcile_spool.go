package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// A toldEvent is what is remembered of an event of an export. It holds no
// value of it.
type toldEvent struct {
	id      [16]byte
	fact    uint64 // of what it is about: see factOf
	changes uint64 // of the transitions that it tells of: see changeOf
	second  int64  // when it occurred, in Unix seconds
	record  int64  // its place in its file, counted from 1
	line    int64
	kind    uint32 // place of its type among the export's
	file    uint16 // place of its file among the export's
	dims    uint8  // dimensions that it tells of, a bit each
}

// toldSize is the size of an event in a spool, in bytes.
const toldSize = 64

func (e *toldEvent) append(b []byte) []byte {
	b = append(b, e.id[:]...)
	for _, v := range [...]uint64{e.fact, e.changes, uint64(e.second), uint64(e.record), uint64(e.line)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, e.kind)
	b = binary.LittleEndian.AppendUint16(b, e.file)
	return append(b, e.dims, 0)
}

func (e *toldEvent) read(b []byte) {
	copy(e.id[:], b)
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(b[16+8*i:]) }
	e.fact, e.changes, e.second, e.record, e.line = at(0), at(1), int64(at(2)), int64(at(3)), int64(at(4))
	e.kind, e.file, e.dims = binary.LittleEndian.Uint32(b[56:]), binary.LittleEndian.Uint16(b[60:]), b[62]
}

// A spool keeps events in a file of its own, so that an export of any size is
// compared in bounded memory and read once. Close it when done.
type spool struct {
	file   *os.File
	out    *bufio.Writer
	buf    []byte
	events int64
	hours  map[int64]int64 // how many events each hour has
}

// newSpool creates a spool in the folder for temporary files.
func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "leadsync-reconcile-")
	if err != nil {
		return nil, fmt.Errorf("create spool: %w", err)
	}
	// Its name goes at once where the system lets it, so that nothing is left
	// of a process that was killed; elsewhere Close removes it.
	_ = os.Remove(f.Name())
	return &spool{file: f, out: bufio.NewWriterSize(f, 1<<20), hours: make(map[int64]int64)}, nil
}

// Close removes the spool.
func (s *spool) Close() error {
	err := s.file.Close()
	if removed := os.Remove(s.file.Name()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

func (s *spool) add(e *toldEvent) error {
	s.buf = e.append(s.buf[:0])
	if _, err := s.out.Write(s.buf); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	s.events++
	s.hours[floorHour(e.second)]++
	return nil
}

// each calls f for every event in the order in which they were added. The
// event is overwritten by the next.
func (s *spool) each(f func(e *toldEvent) error) error {
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.events*toldSize), 1<<20)
	var buf [toldSize]byte
	var e toldEvent
	for range s.events {
		if _, err := io.ReadFull(in, buf[:]); err != nil {
			return fmt.Errorf("read spool: %w", err)
		}
		e.read(buf[:])
		if err := f(&e); err != nil {
			return err
		}
	}
	return nil
}

// A window is a span of time whose events are compared at once, in Unix
// seconds: from one up to another, and not with it.
type window struct{ from, to int64 }

// windows cuts a span of time into windows of at most limit events each. A
// single second is never cut.
func (s *spool) windows(span window, limit int64) ([]window, error) {
	var cut []window
	at, n := span.from, int64(0)
	end := func(to int64) {
		if to > at {
			cut = append(cut, window{at, to})
			at, n = to, 0
		}
	}
	for _, hour := range slices.Sorted(maps.Keys(s.hours)) {
		events := s.hours[hour]
		if n+events > limit && n > 0 {
			end(hour)
		}
		if n += events; events <= limit {
			continue
		}
		seconds, err := s.secondsOf(hour)
		if err != nil {
			return nil, err
		}
		n = 0
		for i, events := range seconds {
			if n+events > limit && n > 0 {
				end(hour + int64(i))
			}
			n += events
		}
	}
	end(span.to)
	return cut, nil
}

// secondsOf counts the events of each second of an hour.
func (s *spool) secondsOf(hour int64) (seconds [3600]int64, err error) {
	err = s.each(func(e *toldEvent) error {
		if floorHour(e.second) == hour {
			seconds[e.second-hour]++
		}
		return nil
	})
	return seconds, err
}

func floorHour(second int64) int64 { return second - (second%3600+3600)%3600 }
