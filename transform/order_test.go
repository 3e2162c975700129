package transform

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Keys must come in the one order there is, known ones or not, few or many,
// and one that is there twice must be noticed: else an event has two
// identities, or a key with two values becomes a row.
func TestSorter(t *testing.T) {
	promote(t, "线x9", "a9")
	known := slices.DeleteFunc(slices.Clone(keys.names[:]), func(s string) bool { return s == "" })
	name := rapid.OneOf(
		rapid.SampledFrom(known),
		rapid.StringMatching(`[a-c]{0,10}`),
		rapid.StringMatching(`(custom_f|custom_field_)[a-c\x00]{0,2}`),
		rapid.SampledFrom([]string{"\U0001F600", "\uE000", "\uFFFD", "é", "abcdefgé", "abcdefg\U0001F600", "abcdefg\uE000", "own\"er", "\u0001"}),
	)
	var s sorter
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(name, 0, 80).Draw(t, "keys")
		if !rapid.Bool().Draw(t, "twice") {
			slices.Sort(names)
			names = rapid.Permutation(slices.Compact(names)).Draw(t, "order")
		}
		src := []byte{'{'}
		for i, n := range names {
			if i > 0 {
				src = append(src, ',')
			}
			src = append(appendString(src, []byte(n)), ":0"...)
		}
		src = append(src, '}')
		nodes, ok := scan(nil, src)
		if !ok {
			t.Fatalf("%q is not scanned", src)
		}
		for _, compare := range []func(a, b []byte) int{compareUTF16, bytes.Compare} {
			want := make([][]byte, len(names))
			for i, n := range names {
				want[i] = []byte(n)
			}
			slices.SortFunc(want, compare)
			different := len(slices.CompactFunc(slices.Clone(want), bytes.Equal)) == len(want)
			list, unique := s.append(nil, src, nodes, 0, compare)
			if unique != different {
				t.Fatalf("%q: unique %t", src, unique)
			}
			for i := 0; unique && i < len(want); i++ {
				if got := text(src, &nodes[list[i].key]); !bytes.Equal(got, want[i]) {
					t.Fatalf("%q: key %d is %q, want %q", src, i, got, want[i])
				}
			}
		}
	})
}
