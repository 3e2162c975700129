package bigquery

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// loads makes a sink of a loader: all writes go into one load, which is
// committed when the rows are looked at, and followed by another.
type loads struct {
	t      testing.TB
	sink   *Sink
	loader sinks.Loader

	mu   sync.Mutex // held while the load is exchanged
	load sinks.Load
}

func newLoads(t testing.TB, c Config) *loads {
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	l := &loads{t: t, sink: s, loader: s.PendingStreams()}
	l.load = l.begin()
	return l
}

func (l *loads) begin() sinks.Load {
	load, err := l.loader.Begin(l.t.Context(), "load-1")
	if err != nil {
		l.t.Fatal(err)
	}
	return load
}

func (l *loads) current() sinks.Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.load
}

func (l *loads) Write(ctx context.Context, rows *transform.Rows) error {
	return l.current().Write(ctx, rows)
}

func (l *loads) Ready() error { return l.current().Ready() }

// commit commits the load and begins another.
func (l *loads) commit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.load.Commit(ctx); err != nil {
		l.t.Errorf("commit: %v", err)
	}
	if err := l.load.Close(); err != nil {
		l.t.Errorf("close load: %v", err)
	}
	l.load = l.begin()
}

func (l *loads) Close() error {
	l.commit()
	return errors.Join(l.load.Close(), l.loader.Close(), l.sink.Close())
}

func pendingHarness(t *testing.T, server *bqtest.Server, c Config) sinktest.Harness {
	patient := quick // what is mended at once is no reason to be not ready
	patient.patience = time.Minute
	c.pacing = &patient
	l := newLoads(t, c)
	return sinktest.Harness{
		Sink: l,
		Rows: func(_ testing.TB, id transform.TableID) [][]any {
			l.commit()
			return values(server, id)
		},
		RowsClosed: func(_ testing.TB, id transform.TableID) [][]any { return values(server, id) },
	}
}

// TestPendingConformance holds a load that is committed to a sink's contract.
func TestPendingConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		server, c := start(t)
		return pendingHarness(t, server, c)
	})
}

// TestPendingConformanceFaulty does the same against a service that keeps
// failing. Other than in the sink, no row may come twice.
func TestPendingConformanceFaulty(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		server, c := start(t)
		failing(server, &bqtest.Fault{Code: codes.Unavailable, Reset: true, Late: 5 * time.Millisecond})
		calls := 0
		server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
			if calls++; call.Method == "GetWriteStream" || calls%3 != 0 {
				return nil
			}
			return &bqtest.Fault{Code: codes.Unavailable, Written: calls%2 == 0}
		})
		return pendingHarness(t, server, c)
	})
}
