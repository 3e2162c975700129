package bigquery

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// refuses makes the server refuse the events at the given places.
func refuses(server *bqtest.Server, places []int) {
	server.Refuse("events_log", func(row map[string]any) bool {
		for _, p := range places {
			if row["event_id"] == fmt.Sprintf("e%d", p) {
				return true
			}
		}
		return false
	})
}

// wantRefused compares the refused places of events_log and their code.
func wantRefused(t *testing.T, err error, code string, places []int) {
	t.Helper()
	var got sinks.RowErrors
	if len(places) > 0 && !errors.As(err, &got) {
		t.Fatalf("error %v, want RowErrors", err)
	}
	var want sinks.RowErrors
	for _, p := range places {
		want = append(want, sinks.RowError{Table: transform.EventsLog, Row: p, Code: code})
	}
	slices.SortFunc(got, func(a, b sinks.RowError) int { return a.Row - b.Row })
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("refused rows (-want +got):\n%s", d)
	}
}

// TestRowErrors has bad rows in a request that the service names all, one at a
// time, or not at all. It catches a good row that is refused or lost, a bad one
// that is not found, and a search that takes too many requests.
func TestRowErrors(t *testing.T) {
	const n = 1000
	all := make([]int, 40)
	for i := range all {
		all[i] = i
	}
	for _, test := range []struct {
		name string
		n    int
		bad  []int
		list int // how many the service names, negative for all
	}{
		{"full list", n, []int{0, 499, 500, 999}, -1},
		{"partial list", n, []int{0, 17, 499, 500, 501, 999}, 2},
		{"one named at a time", n, []int{3, 4, 5}, 1},
		{"no list, one bad", n, []int{700}, 0},
		{"no list, several bad", n, []int{0, 499, 500, 999}, 0},
		{"no list, all bad", 40, all, 0},
		{"full list, all bad", 40, all, -1},
		{"no list, a single row", 1, []int{0}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, c := start(t)
			var seen observed
			c.Observer = &seen
			s := openSink(t, c)
			server.ListRowErrors("events_log", test.list)
			refuses(server, test.bad)
			err := s.Write(t.Context(), events(test.n))
			code := "FIELDS_ERROR"
			if test.list == 0 {
				code = "INVALID_ARGUMENT"
			}
			wantRefused(t, err, code, test.bad)
			if got := server.NumRows("events_log"); got != test.n-len(test.bad) {
				t.Errorf("%d rows are there, want %d", got, test.n-len(test.bad))
			}
			if err := s.Ready(); err != nil {
				t.Errorf("not ready for bad rows: %v", err)
			}
			steps := 1
			switch {
			case test.list == 0: // two requests a halving
				steps = 1 + 2*len(test.bad)*bits.Len(uint(test.n-1))
			case test.list > 0:
				steps += (len(test.bad) + test.list - 1) / test.list
			case len(test.bad) < test.n:
				steps++
			}
			if got := server.Stats("events_log").Appends; got > steps {
				t.Errorf("%d requests, want at most %d", got, steps)
			}
			if len(seen.retried) > 0 && seen.count(sinks.Data) == 0 {
				t.Errorf("retries by class: %v, want data only", seen.retried)
			}
		})
	}
}

// TestRowErrorHidesValue lets the service quote a value. It catches a value
// that reaches the error or the log.
func TestRowErrorHidesValue(t *testing.T) {
	const secret = "13800138000"
	server, c := start(t)
	log := newLogged()
	c.Logger = loggerOf(log)
	s := openSink(t, c)
	server.Fault(func(a *bqtest.Append) *bqtest.Fault {
		if a.Rows[0]["notes"] == secret {
			return &bqtest.Fault{Code: codes.InvalidArgument, Message: "cannot parse " + secret}
		}
		return nil
	})
	var rows transform.Rows
	sinktest.Append(&rows, transform.EventsLog, eventRow("e0", secret))
	err := s.Write(t.Context(), &rows)
	wantRefused(t, err, "INVALID_ARGUMENT", []int{0})
	if all := err.Error() + strings.Join(log.messages(), "\n"); strings.Contains(all, secret) {
		t.Errorf("a value got out: %s", all)
	}
}

// TestConnectionEndsOverRow has a row over which the service ends the whole
// connection, while requests of others wait behind it. It catches an innocent
// row that is condemned with it, and a sink that such a row stops for good.
func TestConnectionEndsOverRow(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	arrived := make(chan bool, 100)
	server.Fault(func(a *bqtest.Append) *bqtest.Fault {
		for _, row := range a.Rows {
			if row["notes"] == "poison" {
				arrived <- true
				return &bqtest.Fault{Code: codes.InvalidArgument, Reset: true, Delay: 50 * time.Millisecond}
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		var rows transform.Rows
		for i, notes := range []string{"", "", "poison", ""} {
			sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprintf("p%d", i), notes))
		}
		wantRefused(t, s.Write(t.Context(), &rows), "INVALID_ARGUMENT", []int{2})
	})
	<-arrived
	const others = 8
	for w := range others {
		wg.Go(func() {
			var rows transform.Rows
			sinktest.Append(&rows, transform.EventsLog, eventRow(fmt.Sprintf("o%d", w), ""))
			if err := s.Write(t.Context(), &rows); err != nil {
				t.Errorf("an innocent row: %v", err)
			}
		})
	}
	wg.Wait()
	if got := len(ids(server)); got != others+3 {
		t.Errorf("%d events are there, want %d", got, others+3)
	}
}

// TestRowTooLarge has a row that no request can take, which transform would
// have refused before, between good ones.
func TestRowTooLarge(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	var rows transform.Rows
	sinktest.Append(&rows, transform.EventsLog, eventRow("e0", ""))
	sinktest.Append(&rows, transform.EventsLog, eventRow("big", strings.Repeat("x", maxRow+1)))
	sinktest.Append(&rows, transform.EventsLog, eventRow("e1", ""))
	wantRefused(t, s.Write(t.Context(), &rows), "ROW_TOO_LARGE", []int{1})
	wantIDs(t, server, 2, false)
}

// TestRowErrorsInTrouble mixes bad rows with a failure that passes and an end
// of the connection: the places must still be right.
func TestRowErrorsInTrouble(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	bad := []int{1, 2, 250, 299}
	refuses(server, bad)
	server.ListRowErrors("events_log", 1)
	n := 0
	server.Fault(func(*bqtest.Append) *bqtest.Fault {
		n++
		return []*bqtest.Fault{nil, {Code: codes.Unavailable}, {Reset: true}}[n%3]
	})
	wantRefused(t, s.Write(t.Context(), events(300)), "FIELDS_ERROR", bad)
	if got := len(ids(server)); got != 300-len(bad) {
		t.Errorf("%d events are there, want %d", got, 300-len(bad))
	}
}
