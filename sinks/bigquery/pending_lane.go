package bigquery

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"

	"leadsync/sinks"
	"leadsync/transform"
)

// A lane brings the rows of one table in one load into pending streams. All
// writes put their requests into its line, and one goroutine sends them in
// that order, each at the offset where the one before it ends, without waiting
// for answers.
//
// The service puts rows at an offset only if the stream ends just there. So
// when a request fails, those sent after it are refused too (OUT_OF_RANGE),
// and all are sent again in the same order, at the same offsets. Those of them
// that had been written although nobody was told are recognised by that
// (ALREADY_EXISTS), as long as a request of unknown fate is never followed by
// other rows at its place. When that cannot be kept up, because a request
// before it turned out to hold bad rows, or its Write has gone, the stream is
// finalized: then its row count tells every fate, and the rest goes into
// another stream. All streams of a table are committed together.
//
// A request never goes out twice by the library's own doing: its retries stay
// off (see managedwriter.EnableWriteRetries).
type lane struct {
	*appender // what is known of the table; its default stream is not used
	own       write
	news      chan struct{} // has something when there may be more to do
	start     sync.Once
	stop      context.CancelFunc
	running   chan struct{} // closed when run has ended

	mu    sync.Mutex
	idle  sync.Cond // signalled when an entry's rows are no longer read
	line  []*entry  // what is to be sent, in order
	live  int       // entries whose Write waits for them
	ended bool      // run goes on no more
	cause error     // of the failure that was the last
	lost  error     // why the load can never be committed
	dead  chan struct{}

	// What follows is run's, and of others after it has ended.

	name string  // of the stream that takes rows now, "" if there is none
	conn *stream // to it, nil if there is none
	end  int64   // rows of the stream that are known to be in it
	tail int64   // offset of what is sent next
	// doubt is the end of the last request whose fate was unknown once: as
	// long as it is above end, copies of such requests may still come about.
	doubt int64

	under  []*entry    // sent, without an answer, in order
	back   []*entry    // sent and failed, in order, before all of under
	broken bool        // one has failed: nothing is sent before under is empty
	cut    bool        // the connection is of no more use
	stale  bool        // the stream is gone, but no row with it
	class  sinks.Class // why the try of the present moment failed, "" if it did not

	done []string // finalized streams that have rows
}

// An entry is a request in line.
type entry struct {
	flight
	ctx    context.Context // of its Write
	offset int64           // in the stream, once it was sent
	doubt  bool            // it was sent there, and may have been written

	answer *storagepb.AppendRowsResponse // what its Write is told, with err

	// Guarded by the lane's mutex.
	busy bool // its rows are being read
	gone bool // its Write waits no longer: the rows must not be read
	told bool // its Write knows
	tell chan<- *entry
}

func (e *entry) after() int64 { return e.offset + int64(len(e.rows)) }

func newLane(a *appender, id string) *lane {
	log := a.config.Logger.With("load", id)
	l := &lane{
		appender: &appender{
			config:     a.config,
			table:      a.table,
			path:       a.path,
			descriptor: a.descriptor,
			verify:     a.verify,
			health:     health{table: a.table.Name, patience: a.config.pacing.patience, log: log},
		},
		news:    make(chan struct{}, 1),
		running: make(chan struct{}),
		dead:    make(chan struct{}),
	}
	l.idle.L = &l.mu
	l.own.appender = l.appender
	return l
}

// begin starts the goroutine with the first rows.
func (l *lane) begin() {
	l.start.Do(func() {
		var ctx context.Context
		ctx, l.stop = context.WithCancel(context.Background())
		go l.run(ctx)
	})
}

// halt ends the goroutine and the connection. No Write may be under way.
func (l *lane) halt() {
	l.start.Do(func() { close(l.running) })
	if l.stop != nil {
		l.stop()
	}
	<-l.running
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// ready returns why rows are held back, nil if none are.
func (l *lane) ready() error {
	l.mu.Lock()
	idle := l.live == 0 && !l.ended
	l.mu.Unlock()
	if idle {
		return nil
	}
	return l.health.ready()
}

// append stages the table's rows.
func (l *lane) append(ctx context.Context, rows *transform.Rows) (sinks.RowErrors, error) {
	l.begin()
	w := &write{appender: l.appender}
	return w.finish(ctx, rows, func(ctx context.Context) error { return l.round(ctx, w) })
}

// round puts all pending requests in line and learns what became of each.
func (l *lane) round(ctx context.Context, w *write) error {
	tell := make(chan *entry, len(w.pending))
	list := l.enlist(ctx, w.pending, tell)
	w.pending, w.class, w.progress = nil, "", false
	for range list {
		select {
		case e := <-tell:
			w.learn(ctx, e)
		case <-ctx.Done():
			w.cause = l.leave(list)
			return w.gaveUp(ctx)
		case <-l.dead:
			_ = l.leave(list)
			return l.lost
		case <-l.running:
			_ = l.leave(list)
			return cmp.Or(l.lost, fmt.Errorf("append to %s: the load was closed", l.table.Name))
		}
	}
	return nil
}

// learn acts on what became of a request.
func (w *write) learn(ctx context.Context, e *entry) {
	if e.err == nil && len(e.answer.GetRowErrors()) == 0 {
		w.progress = true
		if e.search != nil {
			w.answered(e.search, true, e.alone)
		}
		return
	}
	if err := w.check(ctx); err != nil {
		w.retry(e.flight, classifyCheck(err), err)
		return
	}
	w.setAside(e.request, e.answer)
}

func (l *lane) enlist(ctx context.Context, requests []request, tell chan<- *entry) []*entry {
	list := make([]*entry, len(requests))
	for i, r := range requests {
		list[i] = &entry{flight: flight{request: r}, ctx: ctx, tell: tell}
	}
	l.mu.Lock()
	l.line = append(l.line, list...)
	l.live += len(list)
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
	return list
}

// leave gives up waiting for requests. Once it has returned their rows are not
// read any more. It returns what was in the way, if anything.
func (l *lane) leave(list []*entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range list {
		if !e.gone && !e.told {
			e.gone = true
			l.live--
		}
		for e.busy {
			l.idle.Wait()
		}
	}
	return l.cause
}

// told lets the Write of a request know what became of it.
func (l *lane) told(e *entry, answer *storagepb.AppendRowsResponse, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.answer, e.err = answer, err
	if e.gone || e.told {
		return
	}
	e.told = true
	l.live--
	e.tell <- e
}

// lose gives the load up.
func (l *lane) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.lost = err
		close(l.dead)
	}
}
