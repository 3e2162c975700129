package sinktest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/transform"
)

// checkRefused puts bad rows among good ones: exactly they are named, and all
// others are durable.
func checkRefused(t *testing.T, h Harness) {
	var want expected
	g := newGenerator("refused", 6)
	for _, test := range []struct {
		name string
		rows int           // of each table
		bad  map[int][]int // places of bad rows by table
	}{
		{"first", 10, map[int][]int{0: {0}}},
		{"last", 10, map[int][]int{0: {9}}},
		{"side by side", 10, map[int][]int{0: {4, 5, 6}}},
		{"apart", 300, map[int][]int{0: {0, 77, 150, 299}}},
		{"only one table of several", 10, map[int][]int{1: {3}}},
		{"every table", 10, map[int][]int{0: {1}, 1: {0, 9}, 2: {5}, 3: {7}}},
		{"one in many", 6000, map[int][]int{0: {5500}}},
	} {
		var rows transform.Rows
		var refused []sinks.RowError
		for id := range transform.TableID(transform.NumTables) {
			for i := range test.rows {
				switch {
				case slices.Contains(test.bad[int(id)], i):
					refused = append(refused, sinks.RowError{Table: id, Row: i})
					Append(&rows, id, g.bad(id))
				case test.rows <= 300:
					want.add(&rows, id, g.row(id))
				case id == transform.EventsLog:
					want.add(&rows, id, g.lean(id))
				}
			}
		}
		if err := matchRefused(h.try(t, &rows), refused); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if err := h.Sink.Ready(); err != nil {
			t.Errorf("%s: not ready although all good rows were written: %v", test.name, err)
		}
	}
	want.check(t, h.Rows, h.Copies)
}

// checkAllRefused writes nothing but bad rows, then a good one: the sink must
// still be usable.
func checkAllRefused(t *testing.T, h Harness) {
	var rows transform.Rows
	var refused []sinks.RowError
	g := newGenerator("all", 7)
	for i := range 7 {
		Append(&rows, transform.EventsLog, g.bad(transform.EventsLog))
		refused = append(refused, sinks.RowError{Table: transform.EventsLog, Row: i})
	}
	if err := matchRefused(h.try(t, &rows), refused); err != nil {
		t.Fatal(err)
	}
	var want expected
	rows.Reset()
	want.add(&rows, transform.EventsLog, g.row(transform.EventsLog))
	h.write(t, &rows)
	want.check(t, h.Rows, h.Copies)
}

// checkRefusedConcurrent lets writes with and without bad rows go on at once:
// where a sink puts them into one request, each must still learn its own fate.
func checkRefusedConcurrent(t *testing.T, h Harness) {
	const writers, writes, each = 6, 5, 25
	var all [writers]expected
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			g := newGenerator(fmt.Sprintf("mixed%d", w), uint64(w))
			for n := range writes {
				var rows transform.Rows
				var refused []sinks.RowError
				for i := range each {
					if w%2 == 0 && i == n*w {
						Append(&rows, transform.EventsLog, g.bad(transform.EventsLog))
						refused = append(refused, sinks.RowError{Table: transform.EventsLog, Row: i})
					} else {
						all[w].add(&rows, transform.EventsLog, g.row(transform.EventsLog))
					}
				}
				if err := matchRefused(h.try(t, &rows), refused); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	var want expected
	for w := range all {
		want.join(&all[w])
	}
	want.check(t, h.Rows, h.Copies)
}

// matchRefused says how the result of a Write is wrong, given the rows that
// had to be refused.
func matchRefused(err error, want []sinks.RowError) error {
	if len(want) == 0 {
		if err != nil {
			return fmt.Errorf("write of good rows: %w", err)
		}
		return nil
	}
	var refused sinks.RowErrors
	if !errors.As(err, &refused) {
		return fmt.Errorf("bad rows: want RowErrors, got %w", cmp.Or(err, errors.New("no error")))
	}
	if strings.Contains(err.Error(), secret) {
		return errors.New("bad rows: the error holds a value of a row")
	}
	got := slices.Clone(refused)
	for i := range got {
		if got[i].Code == "" || strings.Contains(got[i].Code, secret) {
			return fmt.Errorf("row %d of %s: code %q, want the warehouse's", got[i].Row, got[i].Table, got[i].Code)
		}
		got[i].Code = ""
	}
	slices.SortFunc(got, func(a, b sinks.RowError) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Row, b.Row))
	})
	if d := gocmp.Diff(want, []sinks.RowError(got)); d != "" {
		return fmt.Errorf("refused rows (-want +got):\n%s", d)
	}
	return nil
}
