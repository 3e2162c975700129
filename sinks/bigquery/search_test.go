package bigquery

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

// takeApart lets a write find the bad ones of n rows without a network: the
// answer to a request that holds any names the first of them, as many as named
// says; nil is none ever. It returns how often each row was written, the
// refused ones in order, and the number of requests.
func takeApart(n int, bad func(place int) bool, named func() int) (written []int, refused []int, requests int) {
	w := &write{appender: &appender{table: transform.EventsLog.Table()}}
	all := request{rows: make([][]byte, n)}
	w.pending = []request{all}
	written = make([]int, n)
	for len(w.pending) > 0 {
		r := w.pending[0]
		w.pending = w.pending[1:]
		requests++
		refuse, answer := false, &storagepb.AppendRowsResponse{}
		for i := range r.rows {
			if !bad(r.at(i)) {
				continue
			}
			refuse = true
			answer.RowErrors = append(answer.RowErrors, &storagepb.RowError{Index: int64(i), Code: storagepb.RowError_FIELDS_ERROR})
		}
		if refuse {
			if named == nil {
				answer.RowErrors = nil
			} else {
				answer.RowErrors = answer.RowErrors[:min(named(), len(answer.RowErrors))]
			}
			w.setAside(r, answer)
			continue
		}
		for i := range r.rows {
			written[r.at(i)]++
		}
		if r.search != nil {
			w.answered(r.search, true, false)
		}
	}
	for _, e := range w.refused {
		refused = append(refused, e.Row)
	}
	slices.Sort(refused)
	return written, refused, requests
}

// One bad row at every place of requests of many sizes. Finding one of n takes
// log2 n questions and those that waited one more, besides the request that
// failed: catches a search that takes more, a good row that is refused, and
// one that is written twice or not at all.
func TestOneBadRowCosts(t *testing.T) {
	sizes := []int{500, 511, 512, 513, 1000}
	for n := 1; n <= 70; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		most := 1
		if n > 1 {
			most = 1 + bits.Len(uint(n-1)) + 1
		}
		worst := 0
		for bad := range n {
			written, refused, requests := takeApart(n, func(place int) bool { return place == bad }, nil)
			if !slices.Equal(refused, []int{bad}) {
				t.Fatalf("%d rows, %d is bad: refused %v", n, bad, refused)
			}
			for i, times := range written {
				if want := 1; i == bad && times != 0 || i != bad && times != want {
					t.Fatalf("%d rows, %d is bad: row %d is written %d times", n, bad, i, times)
				}
			}
			worst = max(worst, requests)
		}
		if worst != most {
			t.Errorf("one bad row of %d: %d requests at worst, want %d", n, worst, most)
		}
	}
}

// All rows bad, and any number of them. Catches a search that makes a request
// full of bad rows cost more than taking it apart in halves would, 2n-1.
func TestManyBadRowsCost(t *testing.T) {
	for n := 1; n <= 520; n++ {
		written, refused, requests := takeApart(n, func(int) bool { return true }, nil)
		if len(refused) != n || slices.Max(written) != 0 {
			t.Fatalf("%d rows, all bad: %d refused, %v written", n, len(refused), written)
		}
		if requests > 2*n-1 {
			t.Errorf("%d rows, all bad: %d requests, want at most %d", n, requests, 2*n-1)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n, rapid.ID).Draw(t, "bad")
		slices.Sort(bad)
		named := rapid.Bool().Draw(t, "named")
		name := func() int { return rapid.SampledFrom([]int{0, 0, 0, 1, 2, n}).Draw(t, "names") }
		if !named {
			name = nil
		}
		written, refused, requests := takeApart(n, func(place int) bool { return slices.Contains(bad, place) }, name)
		if !slices.Equal(refused, bad) {
			t.Fatalf("refused %v, bad are %v", refused, bad)
		}
		for i, times := range written {
			if want := 1; slices.Contains(bad, i) != (times == 0) || times > want {
				t.Fatalf("row %d is written %d times", i, times)
			}
		}
		if k := len(bad); !named && (requests > 2*n+1 || requests > 1+2*(k+1)*bits.Len(uint(n))) {
			t.Fatalf("%d requests for %d bad rows of %d", requests, k, n)
		}
	})
}

// A request that is refused once without a cause, although all its rows are
// good. Catches a good row that is condemned for a failure not its own.
func TestRefusedForNothing(t *testing.T) {
	for n := 2; n <= 70; n++ {
		first := true
		written, refused, _ := takeApart(n, func(int) bool {
			defer func() { first = false }()
			return first
		}, nil)
		if len(refused) != 0 || slices.Max(written) != 1 || slices.Min(written) != 1 {
			t.Fatalf("%d good rows: %v refused, written %v", n, refused, written)
		}
	}
}

// Any bad rows among those of a real request, with a list that names them all,
// some or none, and failures of other kinds in between. Catches a place that
// is mistaken on the way through the client.
func TestAnyBadRows(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	rapid.Check(t, func(rt *rapid.T) {
		before, sent := ids(server), server.Stats("events_log").Appends
		n := rapid.IntRange(1, 120).Draw(rt, "n")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 12), rapid.ID).Draw(rt, "bad")
		slices.Sort(bad)
		list := rapid.SampledFrom([]int{-1, 0, 1, 2, 5}).Draw(rt, "listed")
		trouble := rapid.Bool().Draw(rt, "trouble")
		server.ListRowErrors("events_log", list)
		refuses(server, bad)
		server.Fault(nil)
		if trouble {
			count := 0
			server.Fault(func(*bqtest.Append) *bqtest.Fault {
				count++
				return []*bqtest.Fault{nil, nil, {Code: codes.Unavailable}, nil, {Reset: true}}[count%5]
			})
		}
		err := s.Write(t.Context(), events(n))
		var got sinks.RowErrors
		if len(bad) > 0 && !errors.As(err, &got) || len(bad) == 0 && err != nil {
			rt.Fatalf("error %v", err)
		}
		var refused []int
		for _, e := range got {
			refused = append(refused, e.Row)
		}
		slices.Sort(refused)
		if !slices.Equal(refused, bad) {
			rt.Fatalf("refused %v, bad are %v", refused, bad)
		}
		there := ids(server)
		for i := range n {
			want := 1
			if slices.Contains(bad, i) {
				want = 0
			}
			if times := there[fmt.Sprintf("e%d", i)] - before[fmt.Sprintf("e%d", i)]; times != want {
				rt.Fatalf("row %d is there %d times, want %d", i, times, want)
			}
		}
		if len(bad) == 1 && !trouble {
			if sent, most := server.Stats("events_log").Appends-sent, 2+bits.Len(uint(n-1)); sent > most {
				rt.Fatalf("%d requests for one bad row of %d, want at most %d", sent, n, most)
			}
		}
	})
}
