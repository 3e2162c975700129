package bigquery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// events returns n rows of events_log, event "e0" and so on.
func events(n int) *transform.Rows {
	rows := new(transform.Rows)
	for i := range n {
		sinktest.Append(rows, transform.EventsLog, eventRow(fmt.Sprintf("e%d", i), "n"))
	}
	return rows
}

// wantIDs reports events e0 to e(n-1) that are not there, or more than once
// although no copies may be.
func wantIDs(t *testing.T, server *bqtest.Server, n int, copies bool) {
	t.Helper()
	got := ids(server)
	for i := range n {
		switch c := got[fmt.Sprintf("e%d", i)]; {
		case c == 0:
			t.Errorf("event e%d of %d is lost", i, n)
		case c > 1 && !copies:
			t.Errorf("event e%d is there %d times", i, c)
		}
	}
	if len(got) != n {
		t.Errorf("%d events are there, want %d", len(got), n)
	}
}

// TestFailureClasses fails one append in every way the service has, as an
// answer and with the end of the connection. It catches a failure that is not
// retried, is retried as another class, doubles rows, or leaves the sink not
// ready.
func TestFailureClasses(t *testing.T) {
	for _, test := range []struct {
		code    codes.Code
		storage storagepb.StorageError_StorageErrorCode
		want    sinks.Class
	}{
		{codes.OK, 0, sinks.Transient}, // with Reset: io.EOF
		{codes.Unavailable, 0, sinks.Transient},
		{codes.Aborted, 0, sinks.Transient},
		{codes.Internal, 0, sinks.Transient},
		{codes.DeadlineExceeded, 0, sinks.Transient},
		{codes.Canceled, 0, sinks.Transient},
		{codes.Unknown, 0, sinks.Transient},
		{codes.ResourceExhausted, 0, sinks.Throttled},
		{codes.NotFound, storagepb.StorageError_TABLE_NOT_FOUND, sinks.Setup},
		{codes.PermissionDenied, 0, sinks.Setup},
		{codes.Unauthenticated, 0, sinks.Setup},
		{codes.FailedPrecondition, 0, sinks.Setup},
		{codes.InvalidArgument, storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS, sinks.Setup},
		{codes.InvalidArgument, storagepb.StorageError_STREAM_FINALIZED, sinks.Setup},
		{codes.Internal, storagepb.StorageError_KMS_SERVICE_ERROR, sinks.Transient},
	} {
		for _, reset := range []bool{false, true} {
			if test.code == codes.OK && !reset {
				continue
			}
			t.Run(fmt.Sprintf("%v %v reset=%t", test.code, test.storage, reset), func(t *testing.T) {
				server, c := start(t)
				var seen observed
				c.Observer = &seen
				s := openSink(t, c)
				server.Next("events_log", &bqtest.Fault{Code: test.code, Storage: test.storage, Reset: reset})
				if err := s.Write(t.Context(), events(5)); err != nil {
					t.Fatal(err)
				}
				wantIDs(t, server, 5, false)
				if got := seen.count(test.want); got != 1 || len(seen.retried) != 1 {
					t.Errorf("retries by class: %v, want one %s", seen.retried, test.want)
				}
				if seen.rows != 5 || seen.appended != 1 {
					t.Errorf("%d appends with %d rows were observed, want 1 with 5", seen.appended, seen.rows)
				}
				if err := s.Ready(); err != nil {
					t.Errorf("not ready after success: %v", err)
				}
				connections := 1
				if reset || test.want == sinks.Setup {
					connections = 2
				}
				if n := server.Stats("events_log").Connections; n != connections {
					t.Errorf("%d connections, want %d", n, connections)
				}
			})
		}
	}
}

// TestWrittenButFailed answers an append that was made durable with a
// failure. The rows are sent again: copies, never a loss.
func TestWrittenButFailed(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	server.Next("events_log",
		&bqtest.Fault{Code: codes.Unavailable, Written: true},
		&bqtest.Fault{Reset: true, Written: true})
	if err := s.Write(t.Context(), events(3)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 3, true)
	if n := ids(server)["e0"]; n != 3 {
		t.Errorf("e0 is there %d times, want the 3 that were written", n)
	}
}

// TestReset cuts the connection while many writes share the stream. It catches
// lost rows, and a stream that is opened once for every write that noticed.
func TestReset(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	if err := s.Write(t.Context(), events(1)); err != nil {
		t.Fatal(err)
	}
	const writers = 20
	server.Next("events_log", &bqtest.Fault{Delay: 50 * time.Millisecond, Code: codes.Unavailable, Reset: true})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			var rows transform.Rows
			sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprintf("e%d", w+1), ""))
			if err := s.Write(t.Context(), &rows); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantIDs(t, server, writers+1, true)
	if n := server.Stats("events_log").Connections; n != 2 {
		t.Errorf("%d connections, want one and its successor", n)
	}
}

// TestDisconnect cuts the network below the streams, again and again.
func TestDisconnect(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	for i := range 5 {
		var rows transform.Rows
		sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprintf("e%d", i), ""))
		server.Disconnect()
		if err := s.Write(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
	}
	wantIDs(t, server, 5, true)
}

// TestStuck leaves an append without an answer. It catches a write that waits
// for it beyond AppendTimeout, and one whose own append is given up for it and
// not sent again.
func TestStuck(t *testing.T) {
	server, c := start(t)
	c.AppendTimeout = time.Second
	s := openSink(t, c)
	server.Next("events_log", &bqtest.Fault{Stuck: true})
	if err := s.Write(t.Context(), events(3)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 3, false)
	if n := server.Stats("events_log").Connections; n != 2 {
		t.Errorf("%d connections, want the stuck one and its successor", n)
	}
}

// TestStuckTransport has a server that stops taking bytes, so that sending
// itself hangs, which the vendor's client does not end by itself.
func TestStuckTransport(t *testing.T) {
	server, c := start(t)
	c.AppendTimeout = time.Second
	s := openSink(t, c)
	server.Next("events_log", &bqtest.Fault{Stuck: true})
	rows := bigEvents(12)
	if err := s.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 12, true)
}

// bigEvents returns n rows that take a request each.
func bigEvents(n int) *transform.Rows {
	rows := new(transform.Rows)
	for i := range n {
		sinktest.Append(rows, transform.EventsLog, eventRow(fmt.Sprintf("e%d", i), strings.Repeat("x", aimRequest-1000)))
	}
	return rows
}

// TestContextEndsWhileSending ends the context of a write whose sending hangs.
// It catches a Write that does not return, and, under the race detector, rows
// that are still read after it has.
func TestContextEndsWhileSending(t *testing.T) {
	server, c := start(t)
	c.AppendTimeout = time.Minute
	s := openSink(t, c)
	server.Next("events_log", &bqtest.Fault{Stuck: true})
	cause := errors.New("the drain is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, cause)
	defer cancel()
	rows := bigEvents(12)
	began := time.Now()
	err := s.Write(ctx, rows)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("Write took %v", took)
	}
	if !errors.Is(err, cause) {
		t.Errorf("error %v does not hold the context's cause", err)
	}
	for i := range rows.Len(transform.EventsLog) {
		clear(rows.Row(transform.EventsLog, i))
	}
	if err := s.Ready(); err != nil {
		t.Errorf("not ready although nothing is held back: %v", err)
	}
	if err := s.Write(t.Context(), events(2)); err != nil {
		t.Fatal(err)
	}
	if got := ids(server); got["e0"] == 0 || got["e1"] == 0 {
		t.Errorf("events after the interrupted write are lost: %v", got)
	}
}

// TestGivesUpWithCause ends the context during an outage: the error must hold
// the context's cause and that of the failure.
func TestGivesUpWithCause(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	server.Deny("events_log", true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Write(ctx, events(1))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "PermissionDenied") {
		t.Errorf("error %v, want the deadline and the permission", err)
	}
}

// TestClassify covers what the stand-in cannot send.
func TestClassify(t *testing.T) {
	for _, test := range []struct {
		err  error
		want sinks.Class
	}{
		{errors.New("no status"), sinks.Transient},
		{context.DeadlineExceeded, sinks.Transient},
		{fmt.Errorf("wrapped: %w", status.Error(codes.NotFound, "")), sinks.Setup},
		{status.Error(codes.Unimplemented, ""), sinks.Setup},
		{status.Error(codes.InvalidArgument, ""), sinks.Data},
	} {
		if got := classify(test.err); got != test.want {
			t.Errorf("%v: class %s, want %s", test.err, got, test.want)
		}
	}
}
