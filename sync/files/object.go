package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// errStalled ends an attempt that brought nothing.
var errStalled = errors.New("stalled")

// openObject reads an object, of which at least the first answer is there.
func (s *Store) openObject(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	name, key, err := splitObject(f.Location)
	if err != nil {
		return nil, err
	}
	b, err := s.bucket(ctx, name)
	if err != nil {
		return nil, explained("open", f.Location, err)
	}
	r := &reader{store: s, ctx: ctx, bucket: b, key: key, file: f, at: offset, end: -1}
	if f.Version != "" {
		if r.generation, err = strconv.ParseInt(f.Version, 10, 64); err != nil {
			return nil, fmt.Errorf("open %s: version: %w", f.Location, err)
		}
	}
	if length >= 0 {
		r.end = offset + length
	}
	if f.Size >= 0 && (length < 0 || r.end > f.Size) {
		r.end = f.Size
	}
	if _, err := r.read(nil); err != nil {
		_ = r.Close()
		return nil, r.explained("open", err)
	}
	return r, nil
}

// A reader reads a range of an object. The vendor's client takes up a
// connection that breaks, but waits for ever on one that falls silent: then
// the reader gives it up and asks anew for the rest.
type reader struct {
	store      *Store
	ctx        context.Context
	bucket     *blob.Bucket
	key        string
	file       File
	generation int64 // 0: any

	at, end int64 // what is still to be read; end -1: as much as there is

	body   io.ReadCloser // nil: not open
	within context.Context
	cancel context.CancelCauseFunc
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // only io.EOF itself is the end
		return n, r.explained("read", err)
	}
	return n, err
}

// read reads something into p, unless p is nil: then it sees that the object is open.
func (r *reader) read(p []byte) (int, error) {
	start := time.Now()
	for {
		if r.body == nil && r.end >= 0 && r.at >= r.end {
			return 0, eof(p)
		}
		n, err := r.try(p)
		if n > 0 || err == nil {
			r.at += int64(n)
			return n, nil // an error will come again
		}
		stalled := errors.Is(context.Cause(r.within), errStalled)
		r.drop()
		switch {
		case r.ctx.Err() != nil:
			return 0, context.Cause(r.ctx)
		case err == io.EOF && r.at < r.end && r.file.Size >= 0: //nolint:errorlint // only io.EOF itself is the end
			return 0, io.ErrUnexpectedEOF
		case err == io.EOF: //nolint:errorlint // only io.EOF itself is the end
			r.end = r.at
			return 0, io.EOF
		case !stalled:
			return 0, err
		case time.Since(start) >= r.store.quiet:
			return 0, r.store.lasting(err)
		}
	}
}

func eof(p []byte) error {
	if p == nil {
		return nil
	}
	return io.EOF
}

// try is one attempt, for half of the time.
func (r *reader) try(p []byte) (n int, err error) {
	if r.body == nil {
		r.within, r.cancel = context.WithCancelCause(r.ctx)
	}
	giveUp := r.cancel
	stalled := time.AfterFunc(r.store.quiet/2, func() { giveUp(errStalled) })
	defer stalled.Stop()
	if r.body == nil {
		body, err := r.open()
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	if p == nil {
		return 0, nil
	}
	return r.body.Read(p)
}

// open asks for the rest of the range, as it is stored and not as it would be
// without its Content-Encoding. To the end it asks without a length: of a whole
// object the vendor's client checks the sum, then, when its end is read.
func (r *reader) open() (io.ReadCloser, error) {
	length := int64(-1)
	if r.end >= 0 && r.end != r.file.Size {
		length = r.end - r.at
	}
	return r.bucket.NewRangeReader(r.within, r.key, r.at, length, &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var handle **storage.ObjectHandle
		if !as(&handle) {
			return nil
		}
		*handle = (*handle).ReadCompressed(true)
		if r.generation != 0 {
			*handle = (*handle).Generation(r.generation)
		}
		return nil
	}})
}

// explained says what is the matter; for an object that is not there any more,
// whether it was replaced or deleted.
func (r *reader) explained(verb string, err error) error {
	if r.generation == 0 || r.ctx.Err() != nil || gcerrors.Code(err) != gcerrors.NotFound || forbidden(err) {
		return explained(verb, r.file.Location, err)
	}
	name, _, _ := splitObject(r.file.Location)
	switch now, err := r.store.stat(r.ctx, r.bucket, name, r.key); {
	case err == nil && now.Version != r.file.Version:
		return fmt.Errorf("%s %s: %w: generation %s was listed, %s is there now", verb, r.file.Location, ErrChanged, r.file.Version, now.Version)
	case gcerrors.Code(err) == gcerrors.NotFound && !forbidden(err):
		return fmt.Errorf("%s %s: %w: it was deleted", verb, r.file.Location, ErrChanged)
	}
	return explained(verb, r.file.Location, err)
}

// drop closes what is open, so that it is opened anew.
func (r *reader) drop() {
	if r.body != nil {
		_ = r.body.Close() // nothing that was read depends on it
		r.body = nil
	}
	if r.cancel != nil {
		r.cancel(nil)
	}
}

func (r *reader) Close() error {
	r.drop()
	return nil
}
