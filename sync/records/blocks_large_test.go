package records

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// long is a reader of one text, then of a filling that is repeated up to a
// length, then of another text: a file that is not in memory.
func long(before, filling string, length int64, after string) io.Reader {
	return io.MultiReader(strings.NewReader(before), io.LimitReader(repeated(filling), length), strings.NewReader(after))
}

type repeated string

func (r repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p)-len(r) || n == 0 {
		n += copy(p[n:], r)
	}
	return n, nil
}

// counter is a tap that counts.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// A record of up to 100 MB comes out cut short with its real size, its neighbours
// come out whole, and Tap has what belongs to each block when it comes, in every
// form; and the same for as much white space. No buffer grows above the bound
// that is promised.
func TestLargeInBlocks(t *testing.T) {
	const (
		size = 24_000_000
		line = 100_000_000
		most = limit / 8 * 8 // of what is kept whole, or nearly
	)
	tests := []struct {
		name, before, filling, after string
		want                         []int64 // sizes of the records
	}{
		{"line", "{\"n\":1}\n{\"a\":\"", "abcdefgh", "\"}\n{\"n\":2}\n{\"n\":3}\n", []int64{7, 8 + line, 7, 7}},
		{"line, CRLF", "{\"n\":1}\r\n{\"a\":\"", "abcdefgh", "\"}\r\n{\"n\":2}\r\n", []int64{7, 8 + size, 7}},
		{"line not closed", "{\"n\":1}\n{\"a\":\"", "abcdefgh", "\n{\"n\":2}\n", []int64{7, 6 + size, 7}},
		{"noise", "{\"n\":1}\n", "abcdefgh", " \r\n{\"n\":2}\n", []int64{7, size, 7}},
		{"concatenated", "{\"n\":1}{\"a\":\"", "abcdefgh", "\"}{\"n\":2}", []int64{7, 8 + size, 7}},
		{"pretty", "{\"n\":1}\n{\n\"a\": [\n", "123456,\n", "1]\n}\n{\"n\":2}\n", []int64{7, 13 + size, 7}},
		{"pretty, malformed", "{\"n\":1}\n{\n\"a\": [\n", "123456,\n", "1\n{\"n\":2}\n{\"n\":3}\n", []int64{7, 10 + size, 7, 7}},
		{"element", "[{\"n\":1},{\"a\":\"", "abcdefgh", "\"},{\"n\":2}]", []int64{7, 8 + size, 7}},
		{"element that is kept", "[{\"n\":1},{\"a\":\"", "abcdefgh", "\"},{\"n\":2}]", []int64{7, most, 7}},
		{"blank", "{\"n\":1}\n", " \t\r\n", "{\"n\":2}\n", []int64{7, 7}},
		{"blank in an array", "[{\"n\":1},", " \t\r\n", "{\"n\":2}]", []int64{7, 7}},
		{"blank behind the last", "{\"n\":1}\n", " \t\r\n", "", []int64{7}},
		{"blank behind a line's object", "{\"n\":1}", "    ", "\n{\"n\":2}\n", []int64{7, 7}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			size := int64(size)
			switch tt.name {
			case "line":
				size = line
			case "element that is kept":
				size = most - 8
			}
			var tapped counter
			b := NewBlocks(long(tt.before, tt.filling, size, tt.after), BlockConfig{Tap: &tapped})
			var sizes []int64
			for {
				blk, err := b.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if int64(tapped) != blk.End {
					t.Errorf("tap has %d bytes when the block that ends at %d comes", tapped, blk.End)
				}
				list, err := blk.Records(nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, rec := range list {
					sizes = append(sizes, rec.Size)
					if want := min(rec.Size, limit); int64(len(rec.Data)) != want {
						t.Errorf("record at %d, size %d, has %d bytes, want %d", rec.Offset, rec.Size, len(rec.Data), want)
					}
				}
				if most := blockSize + blockSize/8 + limit + limit/4; cap(blk.data) > most {
					t.Errorf("a block has a buffer of %d bytes, want %d at most", cap(blk.data), most)
				}
				blk.Release()
			}
			if diff := cmp.Diff(tt.want, sizes); diff != "" {
				t.Errorf("sizes of records (-want +got):\n%s", diff)
			}
			if want := int64(len(tt.before)+len(tt.after)) + size; int64(tapped) != want {
				t.Errorf("tap has %d bytes, want %d", tapped, want)
			}
			if cap(b.in.buf)+cap(b.span.ahead)+cap(b.held) > 32<<20 {
				t.Errorf("buffers grew to %d, %d and %d bytes, want 32 MiB at most", cap(b.in.buf), cap(b.span.ahead), cap(b.held))
			}
		})
	}
}

// A range whose boundary falls into a large record, a large line or as much
// white space is cut as everywhere else, and looking for the cut takes bounded
// memory. Catches a line above what is looked at to be a cut for one of two
// neighbours only.
func TestRangesInLargeRecords(t *testing.T) {
	big := `{"a":"` + strings.Repeat("x", 1500<<10) + `"}`
	near := `{"a":"` + strings.Repeat("x", maxCut-8) + `"}` // the largest line before which a range is cut
	input := []byte("{}\n" + near + "\n" + near[:9] + near[8:] + "\n{}\n" + big + "\n{\"b\":1}\n" + big + "\n" + big + strings.Repeat("\n", 1200<<10) + "{}\n{}\n" + big + "\n")
	want, _, _ := wanted(bytes.NewReader(input))
	for x := int64(1); x < int64(len(input)); x += 700<<10 + 7 {
		var all []found
		for _, cfg := range []BlockConfig{{End: x}, {Start: x}} {
			list, _, _, err := readBlocks(t, input, bytes.NewReader(input[cfg.Start:]), cfg)
			if err != io.EOF { //nolint:errorlint // the very same
				t.Errorf("cut at %d: %v", x, err)
			}
			all = append(all, list...)
		}
		if len(all) != len(want) {
			t.Errorf("cut at %d: %d records, want %d", x, len(all), len(want))
			continue
		}
		for i := range all {
			if all[i] != want[i] {
				t.Errorf("cut at %d: record %d is at %d, size %d, want %d, %d", x, i+1, all[i].Offset, all[i].Size, want[i].Offset, want[i].Size)
			}
		}
	}
}

// A failure of the input comes after everything that is whole before it, with
// the Reader's words; within a range as well, and while its start is looked for.
func TestBlocksReadError(t *testing.T) {
	failure := fmt.Errorf("connection lost: %w", io.EOF)
	for _, in := range []string{"", "{\"a\":1}\n{\"b\":2", "{\"a\":1}\n{\n\"b\":", "{\"a\":1}\nno", "[{\"a\":1},{\"b\"", "[{\"a\":1}", "{\"a\":1}\n", "{}\n{}\n{}\n{\"a\":1}\n{\"a\":2}\n{"} {
		for size := range 40 {
			broken := func() io.Reader { return brokenAt(in, failure) }
			want, wantErr, _ := wanted(broken())
			got, _, _, err := readBlocks(t, []byte(in), broken(), BlockConfig{Size: size, End: 40})
			if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%q in blocks of %d: error %v, want %v; records (-reader +blocks):\n%s", in, size, err, wantErr, diff)
			}
		}
		_, _, _, err := readBlocks(t, []byte(in), brokenAt(in[min(1, len(in)):], failure), BlockConfig{Start: 1, End: 40})
		if !errors.Is(err, failure) {
			t.Errorf("%q: a range's start is looked for: error %v, want %v", in, err, failure)
		}
	}
	for _, cfg := range []BlockConfig{{}, {Start: 1}, {End: 1}} {
		if _, err := NewBlocks(stuck{}, cfg).Next(); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%+v: error is %v, want %v", cfg, err, io.ErrNoProgress)
		}
	}
}

func brokenAt(in string, failure error) io.Reader {
	return io.MultiReader(strings.NewReader(in), iotest.ErrReader(failure))
}

// A tap that fails stops the blocks: a piece without its fingerprint must not
// pass for read.
func TestTapError(t *testing.T) {
	for _, in := range []string{"{}\n{}\n{}\n", "[{},{}]", "{\n}{\n}"} {
		full := errors.New("full")
		b := NewBlocks(strings.NewReader(in), BlockConfig{Tap: failing{full}})
		if blk, err := b.Next(); blk != nil || !errors.Is(err, full) {
			t.Errorf("%q: Next returns %v, %v, want error %v", in, blk, err, full)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Catches a block that hands out memory which another one uses by now.
func TestReleasedBlock(t *testing.T) {
	blk, err := NewBlocks(strings.NewReader("[{}]"), BlockConfig{}).Next()
	if err != nil {
		t.Fatal(err)
	}
	blk.Release()
	blk.Release()
	if list, err := blk.Records(nil); err == nil || list != nil {
		t.Errorf("records of a released block are %v, error %v", list, err)
	}
}

// Catches a file read in ranges that has no place to cut it, and one that is
// read by one process though it could be shared.
func TestSplittable(t *testing.T) {
	for head, want := range map[string]bool{
		"":                                false,
		"{\"a\":1}":                       false, // the line may go on
		"{\"a\":1}\n":                     true,
		"\xef\xbb\xbf{\"a\":1}\r\n{\"b\"": true,
		"\n \r\n{\"a\":\"}{\"} \r\n{\n":   true,
		"{\n  \"a\": 1\n}\n":              false,
		"{\"a\":1}{\"b\":2}\n":            false,
		"[{\"a\":1},\n{\"b\":2}]\n":       false,
		"[1]\n{\"a\":1}\n":                false,
		"oops\n{\"a\":1}\n":               false,
		" {\"a\":1}\n{\"a\":1}\n":         false,
		"\xff\xfe{\x00}\x00\n\x00":        false,
	} {
		if got := Splittable([]byte(head)); got != want {
			t.Errorf("Splittable(%q) = %v, want %v", head, got, want)
		}
	}
}
