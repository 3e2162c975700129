package bqtest

import (
	"context"
	"time"

	"google.golang.org/grpc/status"
)

// A Call is one call of the write API other than to append.
type Call struct {
	// Method is the method's name: CreateWriteStream, GetWriteStream,
	// FinalizeWriteStream or BatchCommitWriteStreams.
	Method string

	Project, Dataset, Table string

	Streams []string // full names of those it is about; none of CreateWriteStream
	N       int      // number of this call among all that the server has had, from 1
}

// OnCall lets a test decide about every call other than to append: f returns
// nil, or what goes wrong with it. Of a [Fault], Delay, Code, Message,
// Storage, Stuck, Written and StreamErrors count; Written makes a failed call
// take effect all the same, and then the answer is what got lost. Calls of f
// never overlap, and it may call the server's other methods. A nil f removes
// it.
func (s *Server) OnCall(f func(c *Call) *Fault) {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	s.onCall = f
}

func (s *Server) callFault(c *Call) *Fault {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	s.calls++
	c.N = s.calls
	if s.onCall != nil {
		if f := s.onCall(c); f != nil {
			return f
		}
	}
	return &Fault{}
}

// serve answers a call by what do says, which is called with s.mu held, and by
// what the test wants to go wrong.
func serve[T any](ctx context.Context, s *Server, ref tableKey, c *Call, do func(*Fault) (*T, error)) (*T, error) {
	received := time.Now()
	c.Project, c.Dataset, c.Table = ref.project, ref.dataset, ref.table
	f := s.callFault(c)
	var out *T
	var err error
	if !f.failed() || f.Written {
		s.mu.Lock()
		out, err = do(f)
		s.mu.Unlock()
	}
	if waitUntil(ctx, received.Add(f.Delay)) != nil || f.Stuck {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if f.failed() {
		return nil, f.status(c.Table)
	}
	return out, err
}
