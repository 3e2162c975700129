package bigquery

import (
	"context"
	"sync"

	"google.golang.org/protobuf/types/descriptorpb"

	"leadsync/transform"
)

// maxInFlight is how many requests of a table may be without an answer. The
// library is given the same bound, but must never come to wait for it: it
// does not give back what a dying connection held.
const maxInFlight = 16

// An appender makes the rows of one table durable. All writes share it and
// the one stream it has.
type appender struct {
	config     Config
	table      *transform.Table
	path       string
	descriptor *descriptorpb.DescriptorProto
	verify     func(context.Context, *transform.Table) error
	health     health
	slots      chan struct{} // filled by requests without an answer

	life context.Context // ends when the sink closes
	jobs sync.WaitGroup  // openings under way

	mu      sync.Mutex
	stream  *stream // nil when there is none to append to
	opening *opening
}

// An opening is an attempt to open the stream that all who need it wait for.
type opening struct {
	done chan struct{}
	err  error
}

// acquire returns the stream, which it opens if need be. The caller must
// release it.
func (a *appender) acquire(ctx context.Context) (*stream, error) {
	for {
		a.mu.Lock()
		if s := a.stream; s != nil {
			s.users++
			a.mu.Unlock()
			return s, nil
		}
		if a.opening == nil {
			a.opening = &opening{done: make(chan struct{})}
			o := a.opening
			a.jobs.Go(func() { a.open(o) })
		}
		o := a.opening
		a.mu.Unlock()

		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open opens the stream for everybody, so it does not end with the context
// of the write that asked first.
func (a *appender) open(o *opening) {
	s, err := a.openStream(a.life)
	a.mu.Lock()
	a.stream, a.opening, o.err = s, nil, err
	a.mu.Unlock()
	close(o.done)
}

// openAlone opens a stream for a single request: whatever fails on it was
// that request's doing.
func (a *appender) openAlone(ctx context.Context) (*stream, error) {
	s, err := a.openStream(ctx)
	if err != nil {
		return nil, err
	}
	s.users, s.retired = 1, true
	return s, nil
}

// release gives a stream back. A retired stream gets no new users, so that
// the next request opens another; those it has may finish.
func (a *appender) release(s *stream, retire bool) {
	a.mu.Lock()
	s.users--
	if retire {
		s.retired = true
		if a.stream == s {
			a.stream = nil
		}
	}
	last := s.retired && s.users == 0
	a.mu.Unlock()
	if last {
		s.close()
	}
}

// close ends the stream. No write may be under way, and a.life must be over.
func (a *appender) close() {
	a.jobs.Wait()
	a.mu.Lock()
	s := a.stream
	a.stream = nil
	a.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// trySlot takes a place for a request if there is one.
func (a *appender) trySlot() bool {
	select {
	case a.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// slot waits for a place for a request.
func (a *appender) slot(ctx context.Context) error {
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *appender) freeSlot() { <-a.slots }
