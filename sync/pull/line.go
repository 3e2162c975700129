package pull

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A stream that has been open for so long, or has brought anything, works.
const provenAfter = 2 * time.Second

// What may pass by itself is worth telling when it has lasted: streams are
// ended by the service every now and then, and opened anew within a second.
const (
	streamPatience = 5 * time.Second
	callPatience   = 2 * time.Second
)

// recycleGrace is the time a stream that is recycled has to bring what is
// under way already.
const recycleGrace = 2 * time.Second

// A line listens in on what the library and Pub/Sub say to each other: the
// library tries again what may pass, for ever, and tells nobody. On the way of
// a response with its messages it costs two atomic stores.
type line struct {
	heard    atomic.Int64 // when Pub/Sub last answered anything
	brought  atomic.Int64 // when a stream last brought a message
	recycles atomic.Int64
	epoch    time.Time // from which heard and brought count, in nanoseconds

	mu     sync.Mutex
	open   map[*tap]struct{}
	opened time.Time // last stream, or the beginning
	closed time.Time // since when no stream is open that is not being recycled; of use while none is
	stream trouble   // of streams; gone when one works
	call   trouble   // of calls; gone when one is answered
}

// trouble is an error and since when there was nothing but errors.
type trouble struct {
	err   error
	since time.Time
}

func (t *trouble) note(err error, since time.Time) {
	if t.err == nil {
		t.since = since
	}
	t.err = err
}

func newLine() *line {
	now := time.Now()
	return &line{epoch: now, open: make(map[*tap]struct{}), opened: now, closed: now}
}

func (l *line) stamp(at *atomic.Int64)          { at.Store(int64(time.Since(l.epoch))) }
func (l *line) when(at *atomic.Int64) time.Time { return l.epoch.Add(time.Duration(at.Load())) }

const subscriberService = "/google.pubsub.v1.Subscriber/"

// onCall is an interceptor of unary calls.
func (l *line) onCall(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	begun := time.Now()
	err := invoke(ctx, method, req, reply, cc, opts...)
	if !strings.HasPrefix(method, subscriberService) || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	l.answered(err, begun)
	return err
}

// answered notes what came of a call. An answer is an answer, also one that
// finds fault with the request.
func (l *line) answered(err error, begun time.Time) {
	code := status.Code(err)
	switch code {
	case codes.Canceled, codes.Unknown, codes.DeadlineExceeded, codes.Unavailable, codes.Internal, codes.Aborted, codes.ResourceExhausted:
	default:
		l.stamp(&l.heard)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch code {
	case codes.OK, codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		l.call = trouble{}
	case codes.DeadlineExceeded: // gRPC's own words do not tell
		l.call.note(fmt.Errorf("a call got no answer for %v: %w", time.Since(begun).Round(time.Second), err), begun)
	default:
		l.call.note(err, begun)
	}
}

// onStream is an interceptor of streams.
func (l *line) onStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !strings.HasPrefix(method, subscriberService) {
		return open(ctx, desc, cc, method, opts...)
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		cancel()
		if outer.Err() == nil {
			l.mu.Lock()
			l.stream.note(err, time.Now())
			l.mu.Unlock()
		}
		return nil, err
	}
	t := &tap{ClientStream: s, line: l, outer: outer, cancel: cancel, opened: time.Now()}
	l.mu.Lock()
	l.open[t], l.opened = struct{}{}, t.opened
	l.mu.Unlock()
	context.AfterFunc(ctx, func() { l.forget(t) })
	return t, nil
}

func (l *line) forget(t *tap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delete(l.open, t); len(l.open) == 0 {
		l.closed = time.Now()
	}
}

// recycle ends the open streams as if Pub/Sub had: the library opens new ones
// and keeps the leases of what it holds. What is under way on a stream still
// comes, so that no message is left behind.
func (l *line) recycle() {
	l.recycles.Add(1)
	l.mu.Lock()
	var taps []*tap
	for t := range l.open {
		taps = append(taps, t)
	}
	l.closed = time.Now()
	l.mu.Unlock()
	for _, t := range taps {
		t.recycled.Store(true)
		time.AfterFunc(recycleGrace, t.cancel)
		_ = t.CloseSend() // what the stream then ends with does not matter
	}
}

// cause returns why Pub/Sub brings nothing, nil if it does as far as can be
// told.
func (l *line) cause(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.open {
		if t.works.Load() || now.Sub(t.opened) >= provenAfter {
			l.stream = trouble{}
		}
	}
	switch {
	case l.call.err != nil && (isSetup(l.call.err) || now.Sub(l.call.since) >= callPatience):
		return l.call.err
	case l.stream.err != nil && (isSetup(l.stream.err) || now.Sub(l.stream.since) >= streamPatience):
		return l.stream.err
	default:
		return nil
	}
}

// troubled reports whether a call has failed and none was answered since.
func (l *line) troubled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.call.err != nil
}

// streams returns since when a stream is open, or, if none is, since when. One
// that is being recycled is none.
func (l *line) streams() (open bool, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.open {
		if !t.recycled.Load() {
			return true, l.opened
		}
	}
	return false, l.closed
}
