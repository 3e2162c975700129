package bigquery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// appendFaults are the ways in which an append may go wrong, nil among them.
var appendFaults = []*bqtest.Fault{
	nil,
	nil,
	{Code: codes.Unavailable},
	{Code: codes.Internal, Written: true},
	{Code: codes.ResourceExhausted},
	{Code: codes.PermissionDenied},
	{Code: codes.Unavailable, Reset: true},
	{Reset: true, Written: true},
	{Code: codes.Unavailable, Reset: true, Late: 2 * time.Millisecond},
	{Reset: true, Late: 8 * time.Millisecond},
	{Delay: 3 * time.Millisecond},
}

// callFaults are those of the other calls.
var callFaults = []*bqtest.Fault{
	nil,
	nil,
	{Code: codes.Internal},
	{Code: codes.Aborted, Written: true},
	{Code: codes.ResourceExhausted, Written: true},
	{Code: codes.PermissionDenied},
}

// A piece is what one Write of a random load has.
type piece struct {
	events []string
	bad    []int         // places of rows that the service refuses
	wide   bool          // its rows take a request each
	after  time.Duration // when its context ends; 0: never
}

// TestPendingExactlyOnce draws loads, and everything that goes wrong with
// them: writes that run at once, with bad rows that are named or not, or with a
// context that ends; appends that fail before or after they were written, with
// or without their connection, or come late; calls that fail or whose answers
// get lost. It would catch a row that is committed twice or not at all, one
// that is seen before, and one that is refused for another's fault.
func TestPendingExactlyOnce(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		pieces := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) piece {
			p := piece{wide: rapid.IntRange(0, 9).Draw(rt, "wide") == 0}
			n := rapid.IntRange(1, 12).Draw(rt, "rows")
			p.bad = rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 3), rapid.ID).Draw(rt, "bad")
			slices.Sort(p.bad)
			if rapid.IntRange(0, 3).Draw(rt, "good") > 0 {
				p.bad = nil
			}
			if rapid.IntRange(0, 7).Draw(rt, "cancelled") == 0 {
				p.after = time.Duration(rapid.IntRange(1, 8).Draw(rt, "ms")) * time.Millisecond
			}
			p.events = make([]string, n)
			return p
		}), 1, 12).Draw(rt, "pieces")
		for i := range pieces {
			for k := range pieces[i].events {
				pieces[i].events[k] = fmt.Sprintf("%d-%d-%d", serial, i, k)
				if slices.Contains(pieces[i].bad, k) {
					pieces[i].events[k] += "-bad"
				}
			}
		}
		writers := rapid.IntRange(1, 6).Draw(rt, "writers")
		server.ListRowErrors("events_log", rapid.SampledFrom([]int{-1, 0, 1}).Draw(rt, "listed"))
		server.Refuse("events_log", func(row map[string]any) bool { return strings.HasSuffix(row["event_id"].(string), "-bad") })
		appends := rapid.SliceOfN(rapid.SampledFrom(appendFaults), 0, 25).Draw(rt, "append faults")
		if len(appends) > 0 && rapid.Bool().Draw(rt, "connection refused") {
			// Once only: a request that is alone on its connection when that
			// ends so must be bad.
			appends[rapid.IntRange(0, len(appends)-1).Draw(rt, "when")] = &bqtest.Fault{Code: codes.InvalidArgument, Reset: true}
		}
		calls := rapid.SliceOfN(rapid.SampledFrom(callFaults), 0, 12).Draw(rt, "call faults")
		server.Fault(func(*bqtest.Append) *bqtest.Fault { return pop(&appends) })
		server.OnCall(func(call *bqtest.Call) *bqtest.Fault {
			if call.Method == "GetWriteStream" {
				return nil // the library repeats it, with pauses that are long here
			}
			return pop(&calls)
		})

		load, err := s.PendingStreams().Begin(t.Context(), fmt.Sprintf("load-%d", serial))
		if err != nil {
			rt.Fatal(err)
		}
		defer load.Close()
		before := server.NumRows("events_log")
		commits := server.Stats("events_log").Commits
		failed := writePieces(rt, load, pieces, writers)
		if n := server.NumRows("events_log"); n != before {
			rt.Fatalf("%d rows are seen before the commit", n-before)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := load.Commit(ctx); err != nil {
			rt.Fatalf("commit: %v", err)
		}
		if n := server.Stats("events_log").Commits - commits; n > 1 {
			rt.Fatalf("%d commits of one table", n)
		}
		got := map[string]int{}
		for _, row := range server.Rows("events_log")[before:] {
			got[row["event_id"].(string)]++
		}
		for i, p := range pieces {
			for k, id := range p.events {
				want := 1
				if slices.Contains(p.bad, k) {
					want = 0
				}
				if n := got[id]; n != want && (!failed[i] || n > want) {
					rt.Fatalf("row %s is there %d times, want %d", id, n, want)
				}
			}
		}
	})
}

func pop(list *[]*bqtest.Fault) *bqtest.Fault {
	if len(*list) == 0 {
		return nil
	}
	f := (*list)[0]
	*list = (*list)[1:]
	return f
}

// writePieces writes all pieces, several at once, and returns which of them
// ended with their context.
func writePieces(rt *rapid.T, load sinks.Load, pieces []piece, writers int) []bool {
	failed := make([]bool, len(pieces))
	errs := make([]error, len(pieces))
	next := make(chan int, len(pieces))
	for i := range pieces {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range next {
				failed[i], errs[i] = writePiece(load, pieces[i])
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		rt.Fatal(err)
	}
	return failed
}

func writePiece(load sinks.Load, p piece) (cancelled bool, err error) {
	var rows transform.Rows
	notes := ""
	if p.wide {
		notes = strings.Repeat("x", aimRequest-1000)
	}
	for _, id := range p.events {
		sinktest.Append(&rows, transform.EventsLog, eventRow(id, notes))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if p.after > 0 {
		ctx, cancel = context.WithTimeout(ctx, p.after)
		defer cancel()
	}
	err = load.Write(ctx, &rows)
	// The rows are free now: whoever reads them still, reads nonsense.
	for i := range rows.Len(transform.EventsLog) {
		clear(rows.Row(transform.EventsLog, i))
	}
	if p.after > 0 && errors.Is(err, context.DeadlineExceeded) {
		return true, nil
	}
	var refused sinks.RowErrors
	if err != nil && !errors.As(err, &refused) {
		return false, fmt.Errorf("write: %w", err)
	}
	var places []int
	for _, e := range refused {
		places = append(places, e.Row)
	}
	slices.Sort(places)
	if !slices.Equal(places, p.bad) {
		return false, fmt.Errorf("refused %v, bad are %v", places, p.bad)
	}
	return false, nil
}
