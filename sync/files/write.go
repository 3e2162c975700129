package files

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"
)

// errWhere refuses what is no place for an object.
var errWhere = errors.New("gs://bucket/key is wanted")

// upload is how much of an object is held and sent at once.
const upload = 8 << 20

// Create makes the object gs://bucket/key, or the file file:///path, of what is
// written, and replaces what is there. The writer is for one goroutine and holds
// 8 MiB. Nothing is there before Close; if the context was cancelled by then, or a
// write failed, nothing ever is, and Close says why. Close itself is not cut
// short by the context, so that its answer holds. A call that comes to nothing
// within a minute is an error; after one of Close the object may be there.
func (s *Store) Create(ctx context.Context, url string) (io.WriteCloser, error) {
	b, key, err := s.place(ctx, url)
	if err != nil {
		return nil, explained("create", url, err)
	}
	w := &writer{store: s, ctx: ctx, url: url}
	var own context.Context
	own, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	w.stop = context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })
	w.own = own
	w.object, err = b.NewWriter(own, key, &blob.WriterOptions{
		ContentType: "application/octet-stream",
		BufferSize:  upload,
		BeforeWrite: func(as func(any) bool) error {
			var object *storage.Writer
			if as(&object) {
				object.ChunkTransferTimeout, object.ChunkRetryDeadline = s.quiet/2, s.quiet*3/4
			}
			return nil
		},
	})
	if err != nil {
		w.stop()
		w.cancel(nil)
		return nil, explained("create", url, err)
	}
	return w, nil
}

// Delete deletes the object gs://bucket/key or the file file:///path. If there
// is none, all is well.
func (s *Store) Delete(ctx context.Context, url string) error {
	b, key, err := s.place(ctx, url)
	if err != nil {
		return explained("delete", url, err)
	}
	err = s.call(ctx, func(ctx context.Context) error { return b.Delete(ctx, key) })
	if gcerrors.Code(err) == gcerrors.NotFound && !forbidden(err) {
		return nil
	}
	return explained("delete", url, err)
}

// place returns the bucket and the key that a URL means, of a file its folder
// and its name.
func (s *Store) place(ctx context.Context, url string) (*blob.Bucket, string, error) {
	if strings.HasPrefix(url, fileScheme) {
		path, err := localPath(url)
		if err != nil {
			return nil, "", err
		}
		b, err := fileblob.OpenBucket(filepath.Dir(path), &fileblob.Options{
			CreateDir: true, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
		})
		return b, filepath.Base(path), err
	}
	if !strings.HasPrefix(url, objectScheme) {
		return nil, "", errWhere
	}
	name, key, err := splitObject(url)
	if err != nil {
		return nil, "", err
	}
	if key == "" || strings.HasSuffix(key, "/") {
		return nil, "", errWhere
	}
	b, err := s.bucket(ctx, name)
	return b, key, err
}

// A writer writes an object that is there whole or not at all.
type writer struct {
	store  *Store
	ctx    context.Context // of who writes
	url    string
	object *blob.Writer

	own    context.Context // of the object: ends with ctx until stop is called
	cancel context.CancelCauseFunc
	stop   func() bool

	err    error // why nothing can come of it
	closed bool
}

func (w *writer) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.closed:
		return 0, explained("create", w.url, os.ErrClosed)
	}
	n, err := 0, w.ctx.Err()
	if err == nil {
		err = w.soon(func() (err error) { n, err = w.object.Write(p); return err })
	}
	if err != nil {
		w.err = w.explained(err)
	}
	return n, w.err
}

func (w *writer) Close() error {
	if w.closed {
		return w.err
	}
	if !w.stop() && w.err == nil {
		w.err = w.explained(w.ctx.Err())
	}
	w.closed = true
	defer w.cancel(nil)
	if w.err != nil {
		w.cancel(w.err)
		_ = w.object.Close() // it gives up what was written
		return w.err
	}
	if err := w.soon(w.object.Close); err != nil {
		w.err = w.explained(err)
	}
	return w.err
}

// soon calls f, which fails if it takes too long.
func (w *writer) soon(f func() error) error {
	late := time.AfterFunc(w.store.quiet, func() { w.cancel(w.store.silent()) })
	defer late.Stop()
	return f()
}

func (w *writer) explained(err error) error {
	switch {
	case w.ctx.Err() != nil && !w.closed:
		err = context.Cause(w.ctx)
	case w.own.Err() != nil:
		err = w.store.lasting(err)
	}
	return explained("create", w.url, err)
}
