package backfill

import (
	"context"
	"errors"
	"io"

	"leadsync/sync/files"
)

// An input is a file's bytes as stored.
type input struct {
	io.ReadCloser
	failed error // why the store gives no more

	progress *progress // nil: nobody is told
	left     int64     // of the unit, not yet told
}

// open opens a file from an offset on, up to where it ended when it was listed
// unless a length is given.
func (p *Plan) open(ctx context.Context, f *files.File, offset, length int64) (*input, error) {
	if length < 0 && f.Size >= 0 {
		length = max(0, f.Size-offset)
	}
	rc, err := p.cfg.Store.Open(ctx, *f, offset, length)
	if err != nil {
		return nil, &storeError{err}
	}
	return &input{ReadCloser: rc}, nil
}

func (in *input) Read(b []byte) (int, error) {
	n, err := in.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		in.failed = err
		err = &storeError{err}
	}
	in.tell(int64(n))
	return n, err
}

// report makes the input tell how far the unit was read.
func (in *input) report(p *progress, u *unit) {
	in.progress, in.left = p, u.bytes
	if u.file.Size < 0 {
		in.left = 1 << 62
	}
}

// tell counts bytes, but none beyond the unit's.
func (in *input) tell(n int64) {
	if in.progress != nil {
		n = min(n, in.left)
		in.left -= n
		in.progress.bytes.Add(n)
	}
}

// finish counts what is left of a unit that was read to its end.
func (in *input) finish() {
	if in.left < 1<<61 {
		in.tell(in.left)
	}
}

// A storeError is a failure of the store, not of what it holds: the next time
// there may be none.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }
