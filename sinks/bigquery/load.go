package bigquery

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"sync"

	"leadsync/sinks"
	"leadsync/transform"
)

// A Staging has the objects that load jobs read. Its methods may be called
// concurrently.
type Staging interface {
	// Create begins the object of that name, a path with slashes. It is there
	// once Close has returned nil; when ctx ends before, it never will be. The
	// writer retries what may pass by itself; after an error of it the object
	// is lost.
	Create(ctx context.Context, name string) (io.WriteCloser, error)

	// URL returns where BigQuery finds the object, gs://bucket/key. The key
	// ends in the name.
	URL(name string) string

	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, name string) error
}

// LoadJobs returns a loader that stages rows as lines of JSON in objects, and
// commits them by load jobs, one for each table that has rows: free of charge,
// all rows or none, partitions of any age. The account needs, besides what the
// sink needs, roles/bigquery.jobUser on the project, and on the bucket the
// permissions storage.objects.create, get, list and delete. The bucket must be
// where BigQuery can load from into the dataset's location.
//
// A job's id is made of the load's id, the table and the number of the attempt.
// BigQuery takes an id once, so a job whose answer was lost is looked up, not
// run twice. The ledger is loaded last, and a load counts as done with it: Begin
// looks for the jobs of an earlier life of the load, for as long as BigQuery
// remembers them (about six months), waits for those that still run, and if the
// ledger was loaded, nothing is staged or loaded again. Of a life that ended
// between its first job and its last the rows stay, and are loaded once more,
// so that every batch of the ledger has rows that were made with it; views show
// each fact once. Two lives at the same time load their rows twice and the
// ledger once. When a table was dropped and made anew, everything is loaded
// again; rows that were deleted from a table are not, under the same id.
//
// Staged objects lie in <id>/<random>/, so that two lives of a load never write
// to the same ones. They are deleted when the commit has succeeded, or when the
// load is closed before the first job. After a failed commit they stay, because
// a job may still be reading them, until the load's next life finds its jobs
// done; those of a process that was killed before its first job stay for good,
// so give the bucket a rule that deletes objects after some days.
//
// Rows that do not fit their table are refused by Write as [sinks.RowErrors].
// After any other error of Write, or a context that ends in it, the load can
// only be closed and begun again. A load holds its writers' buffers, up to
// [maxOpenShards] a table, and about 1 MiB for each Write under way.
//
// The loader's loads must be closed before the sink is.
func (s *Sink) LoadJobs(staging Staging) sinks.Loader {
	return &jobLoader{sink: s, config: s.appenders[0].config, staging: staging, shardBytes: shardBytes}
}

type jobLoader struct {
	sink       *Sink
	config     Config
	staging    Staging
	shardBytes int64
}

// Begin implements [sinks.Loader].
func (l *jobLoader) Begin(ctx context.Context, id string) (sinks.Load, error) {
	if !loadID.MatchString(id) {
		return nil, fmt.Errorf("begin load %q: an id has 1 to 64 letters, digits, - and _", id)
	}
	load := newJobLoad(l, id)
	err := load.each(commitOrder(), func(t *tableLoad) error { return t.identify(ctx) })
	if err == nil {
		load.stamp = load.stampOf(commitOrder())
		err = load.each(commitOrder(), func(t *tableLoad) error { return t.recall(ctx) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin load %s: %w", id, err), load.Close())
	}
	if ledger := load.tables[transform.SyncBatches]; ledger.loadedBy != "" {
		load.loaded = true
		l.config.Logger.Info("rows were loaded before, and are not loaded again", "load", id, "job", ledger.loadedBy)
	}
	return load, nil
}

// Close implements [sinks.Loader]. There is nothing to release.
func (l *jobLoader) Close() error { return nil }

// A jobLoad is a load of [Sink.LoadJobs].
type jobLoad struct {
	*jobLoader
	id     string
	life   context.Context // of what is being staged
	stop   context.CancelCauseFunc
	tables [transform.NumTables]*tableLoad
	stamp  string // tells the tables from earlier ones of their names
	loaded bool   // by an earlier life

	mu      sync.Mutex
	ended   bool // by Commit or Close: no more rows
	started bool // a job may be reading what was staged
}

var _ sinks.Load = (*jobLoad)(nil)

func newJobLoad(l *jobLoader, id string) *jobLoad {
	load := &jobLoad{jobLoader: l, id: id}
	load.life, load.stop = context.WithCancelCause(context.Background())
	for i := range load.tables {
		t := transform.TableID(i).Table()
		load.tables[i] = &tableLoad{
			jobLoad: load,
			table:   t,
			health:  health{table: t.Name, patience: l.config.pacing.patience, log: l.config.Logger},
			shards:  newShards(load, t.Name),
		}
	}
	return load
}

// stampOf returns what tells these tables from earlier ones of their names: if
// one of them was dropped, all its loads are to be done again.
func (l *jobLoad) stampOf(tables []transform.TableID) string {
	h := fnv.New64a()
	for _, id := range tables {
		fmt.Fprintf(h, "%s %s %d ", l.config.Dataset, id, l.tables[id].created.UnixMilli())
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// each calls f for the tables, all at once.
func (l *jobLoad) each(list []transform.TableID, f func(*tableLoad) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, id := range list {
		wg.Go(func() { errs[i] = f(l.tables[id]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Write implements [sinks.Sink] by staging the rows.
func (l *jobLoad) Write(ctx context.Context, rows *transform.Rows) error {
	if err := l.over(); err != nil {
		return fmt.Errorf("write to load %s: %w", l.id, err)
	}
	err := byTable(rows, func(id transform.TableID) (sinks.RowErrors, error) {
		return l.tables[id].stage(ctx, rows)
	})
	if refused := (sinks.RowErrors)(nil); err == nil || errors.As(err, &refused) {
		return err
	}
	// Some rows may stand in objects already: nothing must come after them.
	l.stop(err)
	return fmt.Errorf("write to load %s: %w", l.id, err)
}

var errEnded = errors.New("it was committed or closed")

// over returns why the load takes no more rows.
func (l *jobLoad) over() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return errEnded
	}
	return context.Cause(l.life)
}

// end ends the load for Write and reports whether it had not ended before.
func (l *jobLoad) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.ended
	l.ended = true
	return first
}

// Ready implements [sinks.Sink], also while the load is being committed.
func (l *jobLoad) Ready() error {
	var errs [transform.NumTables]error
	for i, t := range l.tables {
		errs[i] = t.health.ready()
	}
	return errors.Join(errs[:]...)
}

// Commit implements [sinks.Load].
func (l *jobLoad) Commit(ctx context.Context) error {
	if !l.end() {
		return fmt.Errorf("commit load %s: %w", l.id, errEnded)
	}
	if err := l.commit(ctx); err != nil {
		return fmt.Errorf("commit load %s: %w", l.id, err)
	}
	l.discard(ctx)
	return nil
}

func (l *jobLoad) commit(ctx context.Context) error {
	if err := context.Cause(l.life); err != nil {
		return err
	}
	// All objects are whole before the first job, so that rows that got lost
	// on the way are known before a table has its own.
	order := commitOrder()
	if err := l.each(order, func(t *tableLoad) error { return t.shards.seal(ctx) }); err != nil {
		return err
	}
	l.mu.Lock()
	l.started = true
	l.mu.Unlock()
	together := len(order) - 2
	if err := l.each(order[:together], func(t *tableLoad) error { return t.load(ctx) }); err != nil {
		return err
	}
	for _, id := range order[together:] {
		if err := l.tables[id].load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close implements [sinks.Sink]. Without a commit it discards what was staged.
func (l *jobLoad) Close() error {
	l.end()
	l.stop(errEnded)
	for _, t := range l.tables {
		t.shards.abandon()
	}
	l.mu.Lock()
	started := l.started
	l.started = true
	l.mu.Unlock()
	if !started {
		l.discard(context.Background())
	}
	return nil
}

// discard deletes what was staged. What cannot be deleted stays, which costs
// little and harms nothing.
func (l *jobLoad) discard(ctx context.Context) {
	var names []string
	for _, t := range l.tables {
		names = append(names, t.shards.done()...)
	}
	l.remove(ctx, names)
}
