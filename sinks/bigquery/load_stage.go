package bigquery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

const (
	// shardBytes is the size of an object of rows above which another is begun:
	// BigQuery reads objects side by side.
	shardBytes = 256 << 20

	// maxOpenShards is how many objects of a table are written at once. One
	// writer of Cloud Storage is slower than what makes the rows.
	maxOpenShards = 4

	// chunkBytes is how much is handed to a writer at once.
	chunkBytes = 1 << 20

	// stageTimeout bounds the staging of one table's rows of a Write.
	stageTimeout = 5 * time.Minute

	// maxDeletes is how many objects are deleted at once.
	maxDeletes = 8
)

// shards are the objects of one table in a load. They are safe for concurrent
// use.
type shards struct {
	load  *jobLoad
	stem  string        // how their names begin
	slots chan struct{} // one for each that may be open

	mu    sync.Mutex
	idle  []*shard // open, and not being written to
	begun int
	whole []string // names of those that are there
}

// A shard is one object that is being written.
type shard struct {
	name   string
	writer io.WriteCloser
	bytes  int64
}

func newShards(load *jobLoad, table string) *shards {
	return &shards{
		load:  load,
		stem:  fmt.Sprintf("%s/%s/%s-", load.id, strings.ToLower(rand.Text()), table),
		slots: make(chan struct{}, maxOpenShards),
	}
}

// chunks are buffers of encoded rows.
var chunks = sync.Pool{New: func() any { return new([]byte) }}

func free(buf *[]byte) {
	if cap(*buf) <= 4*chunkBytes { // a very large row is rare: let its memory go
		*buf = (*buf)[:0]
		chunks.Put(buf)
	}
}

// stage encodes the table's rows and puts them into an object, unless an
// earlier life of the load has loaded them. All of them go into the same one.
func (t *tableLoad) stage(ctx context.Context, rows *transform.Rows) (refused sinks.RowErrors, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stageTimeout, fmt.Errorf("staging has not ended after %v", stageTimeout))
	defer cancel()
	buf := chunks.Get().(*[]byte)
	defer free(buf)
	var to *shard
	flush := func() error {
		defer func() { *buf = (*buf)[:0] }()
		if t.loaded || len(*buf) == 0 {
			return nil
		}
		var err error
		if to == nil {
			to, err = t.shards.take(ctx)
		}
		if err == nil {
			err = t.shards.write(ctx, to, *buf)
		}
		return err
	}
	n := 0
	for i := range rows.Len(t.table.ID) {
		row := rows.Row(t.table.ID, i)
		if code := t.encode(buf, row); code != "" {
			refused = append(refused, sinks.RowError{Table: t.table.ID, Row: i, Code: code})
			continue
		}
		n++
		if len(*buf) >= chunkBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if to != nil {
		err = t.shards.giveBack(ctx, to)
	}
	t.rows.Add(int64(n))
	return refused, err
}

// encode appends a row as a line, or returns why no table can take it.
func (t *tableLoad) encode(buf *[]byte, row []byte) (code string) {
	if len(row) > maxRow {
		return "ROW_TOO_LARGE"
	}
	line, err := t.table.AppendJSON(*buf, row)
	if err != nil {
		return "ROW_INVALID"
	}
	*buf = append(line, '\n')
	return ""
}

// take returns a shard to write to: an open one if there is, a new one if
// there may be more, or else the next that is given back.
func (s *shards) take(ctx context.Context) (*shard, error) {
	select {
	case s.slots <- struct{}{}:
	case <-s.load.life.Done():
		return nil, context.Cause(s.load.life)
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to stage rows: %w", context.Cause(ctx))
	}
	s.mu.Lock()
	if last := len(s.idle) - 1; last >= 0 {
		to := s.idle[last]
		s.idle = s.idle[:last]
		s.mu.Unlock()
		return to, nil
	}
	s.begun++
	to := &shard{name: fmt.Sprintf("%s%05d.ndjson", s.stem, s.begun)}
	s.mu.Unlock()
	err := s.guard(ctx, to, "begin", func() (err error) {
		to.writer, err = s.load.staging.Create(s.load.life, to.name)
		return err
	})
	return to, err
}

// write appends whole lines to the shard.
func (s *shards) write(ctx context.Context, to *shard, lines []byte) error {
	to.bytes += int64(len(lines))
	return s.guard(ctx, to, "write", func() error {
		_, err := to.writer.Write(lines)
		return err
	})
}

// giveBack makes the shard free for others, or whole if it is large enough.
func (s *shards) giveBack(ctx context.Context, to *shard) error {
	defer func() { <-s.slots }()
	if to.bytes >= s.load.shardBytes {
		return s.finish(ctx, to)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, to)
	return nil
}

func (s *shards) finish(ctx context.Context, to *shard) error {
	if err := s.guard(ctx, to, "finish", to.writer.Close); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = append(s.whole, to.name)
	return nil
}

// guard calls f, which may wait for the network for as long as the load lives.
// So when ctx ends first, the load does. After an error of f it does as well:
// the object is lost, with the rows of earlier writes.
func (s *shards) guard(ctx context.Context, to *shard, what string, f func() error) error {
	stop := context.AfterFunc(ctx, func() { s.load.stop(context.Cause(ctx)) })
	defer stop()
	err := f()
	if err == nil {
		err = context.Cause(s.load.life)
	} else if cause := context.Cause(s.load.life); cause != nil {
		err = cause
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s staged object %s: %w", what, to.name, err)
	s.load.stop(err)
	if to.writer != nil && what != "finish" {
		_ = to.writer.Close() // it releases what the writer holds, and makes no object
	}
	return err
}

// seal makes all objects whole. No write may be under way.
func (s *shards) seal(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stageTimeout, fmt.Errorf("staging has not ended after %v", stageTimeout))
	defer cancel()
	var errs []error
	for _, to := range s.open() {
		errs = append(errs, s.finish(ctx, to))
	}
	return errors.Join(errs...)
}

// abandon ends what is still open, once the load's life is over.
func (s *shards) abandon() {
	for _, to := range s.open() {
		_ = to.writer.Close() // there is no object: that was the purpose
	}
}

// open takes all open shards away.
func (s *shards) open() []*shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.idle
	s.idle = nil
	return open
}

// done returns the names of the objects that are there.
func (s *shards) done() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole
}

// urls returns where they are.
func (s *shards) urls() []string {
	var list []string
	for _, name := range s.done() {
		list = append(list, s.load.staging.URL(name))
	}
	return list
}

// remove deletes objects as far as that can be done, and logs what is left.
func (l *jobLoad) remove(ctx context.Context, names []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restTimeout)
	defer cancel()
	places := make(chan struct{}, maxDeletes)
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		places <- struct{}{}
		wg.Go(func() {
			errs[i] = l.staging.Delete(ctx, name)
			<-places
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		l.config.Logger.Warn("staged objects could not be deleted", "load", l.id, "error", err.Error(),
			"remedy", "delete them by hand, or let a rule of the bucket do it")
	}
}
