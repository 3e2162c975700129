package backfill

import (
	"cmp"
	"slices"

	"leadsync/sync/files"
)

// finished is what stands in the checkpoints.
type finished struct {
	at     map[string][]Done // by location, in order of their starts
	exact  map[content]struct{}
	ranges map[[2]int64]struct{} // start and end
	starts []int64               // in order
}

// content tells a piece from others, wherever it lies.
type content struct {
	start, end int64
	digest     string
}

func newFinished(list []Done) *finished {
	f := &finished{at: map[string][]Done{}, exact: map[content]struct{}{}, ranges: map[[2]int64]struct{}{}}
	for _, d := range list {
		if d.Location != files.Stdin { // what comes in there is another thing each time
			f.at[d.Location] = append(f.at[d.Location], d)
		}
		f.exact[content{d.Start, d.End, d.Digest}] = struct{}{}
		f.ranges[[2]int64{d.Start, d.End}] = struct{}{}
		f.starts = append(f.starts, d.Start)
	}
	for _, there := range f.at {
		slices.SortFunc(there, func(a, b Done) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End)) })
	}
	slices.Sort(f.starts)
	f.starts = slices.Compact(f.starts)
	return f
}

// has reports whether the piece was read, from whatever file.
func (f *finished) has(start, end int64, digest string) bool {
	_, ok := f.exact[content{start, end, digest}]
	return ok
}

// hasRange reports whether such a piece of any content was read.
func (f *finished) hasRange(start, end int64) bool {
	_, ok := f.ranges[[2]int64{start, end}]
	return ok
}

// startsIn reports whether a piece that begins at first, or after it and up to
// last, was read.
func (f *finished) startsIn(first, last int64) bool {
	i, _ := slices.BinarySearch(f.starts, first)
	return i < len(f.starts) && f.starts[i] <= last
}

// spans are ranges of bytes in order, none of which meets the next.
type spans [][2]int64

// join returns the spans of the pieces, which are in order of their starts.
func join(pieces []Done) spans {
	var s spans
	for _, d := range pieces {
		if last := len(s) - 1; last >= 0 && d.Start <= s[last][1] {
			s[last][1] = max(s[last][1], d.End)
		} else {
			s = append(s, [2]int64{d.Start, d.End})
		}
	}
	return s
}

// reach returns how far everything from start on is in the spans; start if
// nothing is.
func (s spans) reach(start int64) int64 {
	for _, one := range s {
		if one[0] <= start && start < one[1] {
			return one[1]
		}
	}
	return start
}

// hold reports whether the whole range is in the spans; an empty one is.
func (s spans) hold(start, end int64) bool { return s.reach(start) >= end }
