// Package files lists and opens what a backfill reads: files and folders on
// this machine, standard input and objects in Cloud Storage. It also finds out
// how their bytes are compressed, and makes and deletes the objects that a
// load job reads.
//
// It knows bytes only, not what is in them. With STORAGE_EMULATOR_HOST set it
// talks to the emulator there without credentials, else to Cloud Storage with
// the application default credentials.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
)

// Stdin is the path and the location of standard input.
const Stdin = "-"

const (
	objectScheme = "gs://"
	fileScheme   = "file://"
)

// quiet is how long a call, a read or a write of an object may bring nothing
// before it fails. Halfway a read is tried again on a connection of its own.
const quiet = time.Minute

// ErrChanged is wrapped by the error of [Store.Open], and of reading what it
// gave, if the object is not the one that was listed any more.
var ErrChanged = errors.New("it has changed since it was listed")

// A File is something to read.
type File struct {
	// Location tells it from all others: an absolute path without symbolic
	// links, gs://bucket/key, or [Stdin].
	Location string

	Size    int64  // in bytes, as stored; -1: unknown
	Version string // of an object: its generation; "" for anything else
}

// A Store opens files by where they are. All its methods may be called
// concurrently, and their errors name the location. Close it after use.
type Store struct {
	quiet time.Duration
	page  int // objects that one call lists

	mu      sync.Mutex
	stdin   io.Reader // nil: there is none, or it was opened
	buckets map[string]*blob.Bucket
	client  *http.Client // nil: not needed so far
	wires   *http.Transport
}

// New returns a Store whose standard input is stdin; nil: it has none. It
// connects to nothing before it has to.
func New(stdin io.Reader) *Store {
	return &Store{quiet: quiet, page: 1000, stdin: stdin, buckets: map[string]*blob.Bucket{}}
}

// List returns the files that the paths name, sorted by location, each once. A
// path is one of
//
//   - a file, or a folder, which stands for the regular files in it and in all
//     folders below it, those hidden left out (their name begins with a dot);
//   - a shell pattern: * and ? for characters of one name, [a-z] and {a,b}, and
//     ** for any folders. What it matches is taken as if it was named; hidden
//     names must be matched with their dot. A file or folder that bears exactly
//     that name is taken instead;
//   - file:///path for any of the above;
//   - gs://bucket/key for an object; gs://bucket/prefix for all objects below
//     that folder, or, if there is none, for all whose key begins so;
//     gs://bucket for all; or a pattern of keys. In a bucket nothing is hidden,
//     and empty objects whose key ends in a slash only stand for folders;
//   - [Stdin].
//
// Symbolic links are followed, in a folder too; one that leads nowhere is an
// error, and so is a folder that cannot be read, or a path that names nothing.
// The errors of all paths are joined.
func (s *Store) List(ctx context.Context, paths []string) ([]File, error) {
	var all []File
	var failed []error
	for _, path := range paths {
		found, err := s.expand(ctx, path)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, found...)
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Compare(a.Location, b.Location) })
	return slices.CompactFunc(all, func(a, b File) bool { return a.Location == b.Location }), nil
}

// expand returns the files that one path names, at least one.
func (s *Store) expand(ctx context.Context, path string) ([]File, error) {
	var found []File
	var err error
	switch {
	case path == Stdin:
		return []File{{Location: Stdin, Size: -1}}, nil
	case strings.HasPrefix(path, objectScheme):
		found, err = s.objects(ctx, path)
	default:
		found, err = localFiles(ctx, path)
	}
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("list %s: there is no such file", path)
	}
	return found, err
}

// Open reads length bytes of the file from an offset on, as they are stored;
// length -1: to the end. Less comes if the file is shorter. The context governs
// the reading too. Standard input can be opened once, from offset 0 to its end,
// and is the only one that may keep a reader waiting for ever. The reader is
// for one goroutine and must be closed.
//
// Of an object the generation that was listed is read; if it is not there any
// more, the error wraps [ErrChanged], at once or at any later read. Failures of
// the network are mended by reading on at the same place; a minute without a
// byte is an error.
func (s *Store) Open(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	switch {
	case f.Location == Stdin:
		return s.openStdin(ctx, offset, length)
	case strings.HasPrefix(f.Location, objectScheme):
		return s.openObject(ctx, f, offset, length)
	default:
		return openLocal(ctx, f, offset, length)
	}
}

// Close ends the connections. What was opened and created must be closed before.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []error
	for name, b := range s.buckets {
		if err := b.Close(); err != nil {
			failed = append(failed, fmt.Errorf("close bucket %s: %w", name, err))
		}
	}
	clear(s.buckets)
	if s.wires != nil {
		s.wires.CloseIdleConnections()
	}
	return errors.Join(failed...)
}

// openLocal reads a file of this machine.
func openLocal(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	file, err := os.Open(f.Location)
	if err != nil {
		return nil, err // it names operation and path
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		_ = file.Close()
		return nil, err
	}
	r := &local{ctx: ctx, location: f.Location, Reader: file, Closer: file}
	if length >= 0 {
		r.Reader = io.LimitReader(file, length)
	}
	return r, nil
}

// A local reader ends with its context.
type local struct {
	ctx      context.Context
	location string
	io.Reader
	io.Closer
}

func (l *local) Read(p []byte) (int, error) {
	if l.ctx.Err() != nil {
		return 0, fmt.Errorf("read %s: %w", l.location, context.Cause(l.ctx))
	}
	return l.Reader.Read(p)
}
