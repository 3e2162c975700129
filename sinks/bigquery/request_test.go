package bigquery

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// TestSplit draws rows of all sizes. It catches a row that is left out, doubled
// or put in another place, and a request that is larger than it need be.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(
			rapid.IntRange(0, 300),
			rapid.SampledFrom([]int{aimRequest / 3, aimRequest - 200, aimRequest, maxRow, maxRow + 1}),
		), 0, 12).Draw(t, "sizes")
		var rows transform.Rows
		for _, n := range sizes {
			sinktest.Append(&rows, transform.EventsLog, eventRow("e", strings.Repeat("x", n)))
		}
		requests, refused := split(&rows, transform.EventsLog)
		var places []int
		for _, r := range requests {
			if len(r.rows) == 0 || len(r.rows) > 1 && r.bytes > aimRequest {
				t.Fatalf("a request of %d rows and %d bytes", len(r.rows), r.bytes)
			}
			if r.bytes != sizeOf(r.rows) {
				t.Fatalf("a request of %d bytes says it has %d", sizeOf(r.rows), r.bytes)
			}
			for i, row := range r.rows {
				if !bytes.Equal(row, rows.Row(transform.EventsLog, r.at(i))) {
					t.Fatalf("row %d is not in its place", r.at(i))
				}
				places = append(places, r.at(i))
			}
		}
		for _, e := range refused {
			if len(rows.Row(e.Table, e.Row)) <= maxRow {
				t.Fatalf("row %d is refused with %d bytes", e.Row, len(rows.Row(e.Table, e.Row)))
			}
			places = append(places, e.Row)
		}
		slices.Sort(places)
		for i, p := range places {
			if p != i {
				t.Fatalf("places %v, want each of %d once", places, len(sizes))
			}
		}
		if len(places) != len(sizes) {
			t.Fatalf("%d rows of %d are in requests", len(places), len(sizes))
		}
	})
}

// TestParts draws ways to take requests apart. It catches a row that loses its
// place on the way.
func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		r := request{first: 7, alone: true}
		for i := range n {
			r.rows = append(r.rows, []byte{byte(7 + i)})
		}
		for len(r.rows) > 1 && rapid.Bool().Draw(t, "more") {
			if rapid.Bool().Draw(t, "halve") {
				from := rapid.IntRange(0, len(r.rows)-1).Draw(t, "from")
				r = r.part(from, rapid.IntRange(from+1, len(r.rows)).Draw(t, "to"))
			} else {
				gone := make([]string, len(r.rows))
				gone[rapid.IntRange(0, len(gone)-1).Draw(t, "gone")] = "X"
				r = r.without(gone)
			}
			for i, row := range r.rows {
				if int(row[0]) != r.at(i) {
					t.Fatalf("row %d says it is row %d", row[0], r.at(i))
				}
			}
			if !r.alone || r.bytes != sizeOf(r.rows) {
				t.Fatalf("a part of %d bytes, alone %t, says it has %d", sizeOf(r.rows), r.alone, r.bytes)
			}
		}
	})
}

// TestSplitAllocates catches memory that is taken for every row.
func TestSplitAllocates(t *testing.T) {
	rows := events(500)
	if n := testing.AllocsPerRun(20, func() { _, _ = split(rows, transform.EventsLog) }); n > 4 {
		t.Errorf("%v allocations for 500 rows, want at most 4", n)
	}
}

// BenchmarkWrite measures a batch of 1,000 rows of 1 KB against the stand-in,
// which decodes every row by reflection and takes most of the time.
func BenchmarkWrite(b *testing.B) {
	_, c := start(b)
	s := openSink(b, c)
	var rows transform.Rows
	for range 1000 {
		sinktest.Append(&rows, transform.EventsLog, eventRow("e", strings.Repeat("x", 900)))
	}
	b.SetBytes(int64(rows.Bytes()))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(b.Context(), &rows); err != nil {
			b.Fatal(err)
		}
	}
}
