package backfill

import "fmt"

// A FileError says where a file could not be read on.
type FileError struct {
	Location string
	Offset   int64 // how far it was read, in bytes of what it holds
	Record   int64 // number of the last record before; counted from From
	From     int64 // where counting began: 0, unless the file was read from its middle
	Err      error
}

func (e *FileError) Error() string {
	from := ""
	if e.From > 0 {
		from = fmt.Sprintf(" from offset %d", e.From)
	}
	return fmt.Sprintf("%s: cannot be read on from offset %d, after record %d%s: %v", e.Location, e.Offset, e.Record, from, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// A ChangedError says that a file has changed since it was read.
type ChangedError struct {
	Location string
	Recorded Done // the first piece that differs, as it was read
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s: it has changed: bytes %d to %d were read with the digest %s, and are others now, or gone; nothing of the file was read this time. "+
		"Choose: refuse such files (as now), read what differs again (rows made of the former bytes stay), or keep what was read and leave the file alone",
		e.Location, e.Recorded.Start, e.Recorded.End, e.Recorded.Digest)
}
