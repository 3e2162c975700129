package bigquery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/bigquery/storage/managedwriter"

	"leadsync/sinks"
)

// run sends what is in line and takes the answers.
func (l *lane) run(ctx context.Context) {
	defer close(l.running)
	defer l.disconnect()
	for ctx.Err() == nil && l.lost == nil {
		switch {
		case l.maySend():
			begun := time.Now()
			if err := l.prepare(ctx); err != nil {
				l.trouble(ctx, err, begun)
				continue
			}
			l.send()
		case len(l.under) > 0:
			l.receive(ctx)
		case l.broken:
			l.regroup(ctx)
		default:
			l.calm()
			select {
			case <-l.news:
			case <-ctx.Done():
			}
		}
	}
	// What is under way may be written, or not.
	for _, e := range append(l.back, l.under...) {
		l.doubt = max(l.doubt, e.after())
	}
}

// calm ends what health is told of, because nobody is held back any more.
func (l *lane) calm() {
	if l.own.held {
		l.own.held = false
		l.health.leave()
	}
}

// maySend says whether the first in line is to be sent, and drops those whose
// Write has gone before it.
func (l *lane) maySend() bool {
	if l.broken || len(l.under) >= maxInFlight {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.line) > 0 && l.line[0].gone {
		l.line = l.line[1:]
	}
	if len(l.line) == 0 {
		return false
	}
	n := len(l.under)
	return n == 0 || !l.line[0].alone && !l.under[n-1].alone && !l.misplaced(l.line[0])
}

// misplaced reports that a request must not be sent at the tail, because
// copies of other requests may still come about there or behind.
func (l *lane) misplaced(e *entry) bool {
	return l.doubt > l.tail && !(e.doubt && e.offset == l.tail)
}

// prepare sees to it that there is a connection to a stream that can take the
// first in line.
func (l *lane) prepare(ctx context.Context) error {
	l.mu.Lock()
	rotate := len(l.line) > 0 && l.misplaced(l.line[0])
	l.mu.Unlock()
	if rotate {
		if err := l.rotate(ctx); err != nil {
			return err
		}
	}
	if l.name == "" {
		name, err := l.create(ctx)
		if err != nil {
			return err
		}
		l.name = name
	}
	if l.conn != nil {
		return nil
	}
	conn, err := l.connect(ctx, l.name, managedwriter.WithStreamName(l.name))
	if err != nil {
		return err
	}
	l.conn = conn
	return nil
}

// disconnect ends the connection. Before another is opened it must be called:
// the service lets one connection append to a pending stream.
func (l *lane) disconnect() {
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
}

// send sends the first in line.
func (l *lane) send() {
	l.mu.Lock()
	if len(l.line) == 0 || l.line[0].gone || l.misplaced(l.line[0]) {
		l.mu.Unlock() // things have changed while they were prepared
		return
	}
	e := l.line[0]
	l.line = l.line[1:]
	e.busy = true
	l.mu.Unlock()

	if e.failed != "" {
		l.config.Observer.Retried(l.table.ID, e.failed)
	}
	e.begun, e.stream, e.offset = time.Now(), l.conn, l.tail
	l.tail = e.after()
	e.result, e.err = l.conn.append(e.ctx, e.rows, l.config.AppendTimeout, managedwriter.WithOffset(e.offset))
	l.under = append(l.under, e)

	l.mu.Lock()
	defer l.mu.Unlock()
	e.busy = false
	l.idle.Broadcast()
}

// receive waits for the first answer, or until there is more to send.
func (l *lane) receive(ctx context.Context) {
	first := l.under[0]
	answer, err := l.own.await(ctx, &first.flight, l.news)
	if errors.Is(err, errNews) || ctx.Err() != nil {
		return
	}
	l.under = l.under[1:]
	l.settle(first, answer, err)
}

// regroup puts what has failed back into line, before all that was not sent.
func (l *lane) regroup(ctx context.Context) {
	if l.cut {
		l.disconnect()
	}
	l.mu.Lock()
	l.line = append(l.back, l.line...)
	l.mu.Unlock()
	l.back, l.broken, l.cut, l.tail = nil, false, false, l.end
	if l.stale {
		l.stale = false
		l.forget()
	}
	if l.class != "" {
		l.pause(ctx, l.class)
		l.class = ""
	}
}

// pause waits before the next try after a failure of the class.
func (l *lane) pause(ctx context.Context, class sinks.Class) {
	if l.own.progress || l.own.class != class {
		l.own.try = 0
	}
	l.own.class, l.own.progress = class, false
	sleep(ctx, l.config.pacing.of(class).pause(l.own.try))
	l.own.try++
}

// failed notes a failure that is no request's own.
func (l *lane) failed(class sinks.Class, err error, since time.Time) {
	cause := public(err)
	l.mu.Lock()
	l.cause = cause
	l.mu.Unlock()
	l.own.hold(class, cause, since)
}

// trouble acts on a stream that could not be made ready.
func (l *lane) trouble(ctx context.Context, err error, begun time.Time) {
	if ctx.Err() != nil || l.gone(err) {
		return
	}
	class := classify(err)
	if class == sinks.Data {
		class = sinks.Setup // no row was looked at, so none can be to blame
	}
	l.failed(class, err, begun)
	l.disconnect()
	l.pause(ctx, class)
}

// gone reports that the service will never commit the stream. If rows in it
// were told to be staged the load is lost with it, otherwise there is another
// stream to begin with.
func (l *lane) gone(err error) bool {
	if !isLost(err) {
		return false
	}
	if l.end > 0 {
		l.lose(fmt.Errorf("stream of %s with %d rows is lost: %w", l.table.Name, l.end, err))
		return true
	}
	l.forget()
	return false
}

// forget begins with another stream. The requests in line have not been
// written to any that counts.
func (l *lane) forget() {
	l.disconnect()
	l.name, l.end, l.tail, l.doubt = "", 0, 0, 0
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.line {
		e.doubt = false
	}
}
