package records

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// found is what must be the same of a record however it was read.
type found struct {
	Data         string
	Offset, Size int64
}

// wanted returns what a Reader finds, why it ended, and whether the input is
// one array.
func wanted(src io.Reader) (list []found, err error, array bool) { //nolint:revive // the error ends the list
	r := NewReader(src)
	for {
		rec, err := r.Next()
		if err != nil {
			return list, err, r.array
		}
		list = append(list, found{string(rec.Data), rec.Offset, rec.Size})
	}
}

// readBlocks returns what the blocks of the range hold, where they begin and end,
// and what ended them. It checks each block: what Tap had when it came, that it
// begins where the one before ended, and its records' numbers and lines.
func readBlocks(t testing.TB, input []byte, src io.Reader, cfg BlockConfig) (list []found, start, end int64, err error) {
	t.Helper()
	var tap bytes.Buffer
	cfg.Tap = &tap
	b := NewBlocks(src, cfg)
	start, end = -1, -1
	var records []Record
	for {
		blk, err := b.Next()
		if err != nil {
			if _, again := b.Next(); again != err { //nolint:errorlint // the very same
				t.Errorf("after error %v, Next returns %v", err, again)
			}
			if err == io.EOF && int64(tap.Len()) != max(0, end-start) { //nolint:errorlint // the very same
				t.Errorf("tap has %d bytes, the blocks %d", tap.Len(), end-start)
			}
			return list, start, end, err
		}
		if start < 0 {
			start, end = blk.Start, blk.Start
		}
		if blk.Start != end || blk.End <= blk.Start {
			t.Errorf("block [%d,%d) follows one that ends at %d", blk.Start, blk.End, end)
		}
		end = blk.End
		if !bytes.Equal(tap.Bytes(), input[start:end]) {
			t.Errorf("tap has %q at the block that ends at %d, want %q", tap.Bytes(), end, input[start:end])
		}
		if records, err = blk.Records(records[:0]); err != nil {
			t.Fatal(err)
		}
		for i, rec := range records {
			list = append(list, found{string(rec.Data), rec.Offset, rec.Size})
			if line := 1 + bytes.Count(input[blk.Start:rec.Offset], []byte{'\n'}); rec.Line != line || rec.Number != i+1 {
				t.Errorf("record %d on line %d of block [%d,%d) has number %d, line %d", i+1, line, blk.Start, blk.End, rec.Number, rec.Line)
			}
			if rec.Offset < blk.Start || rec.Offset+rec.Size > blk.End {
				t.Errorf("record at %d, size %d, is outside of block [%d,%d)", rec.Offset, rec.Size, blk.Start, blk.End)
			}
		}
		blk.Release()
	}
}

// compareBlocks reads the input in blocks, as a whole and in ranges, and
// compares with what a Reader finds. The seed makes sizes, pieces and ranges.
func compareBlocks(t testing.TB, input []byte, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	want, wantErr, array := wanted(bytes.NewReader(input))
	open := func(at int64) io.Reader {
		if random.IntN(2) == 0 {
			return bytes.NewReader(input[at:])
		}
		return &pieces{src: bytes.NewReader(input[at:]), rand: random}
	}
	size := 1 + random.IntN(2+random.IntN(len(input)+50))

	got, _, end, err := readBlocks(t, input, open(0), BlockConfig{Size: size})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q in blocks of %d (-reader +blocks):\n%s", input, size, diff)
	}
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("%q in blocks of %d: error %v, want %v", input, size, err, wantErr)
	}
	if err == io.EOF && end != int64(len(input)) && len(input) > 0 { //nolint:errorlint // the very same
		t.Errorf("%q in blocks of %d: they end at %d", input, size, end)
	}
	if array || wantErr != io.EOF { //nolint:errorlint // the very same
		return
	}

	bounds := []int64{0}
	for range random.IntN(6) {
		bounds = append(bounds, 1+random.Int64N(int64(len(input))+3))
	}
	slices.Sort(bounds)
	bounds = append(slices.Compact(bounds), []int64{0, int64(len(input)) + 3}[random.IntN(2)])
	var all []found
	next := int64(0)
	for i, start := range bounds[:len(bounds)-1] {
		cfg := BlockConfig{Start: start, End: bounds[i+1], Size: size}
		list, from, to, err := readBlocks(t, input, open(min(start, int64(len(input)))), cfg)
		all = append(all, list...)
		if err != io.EOF { //nolint:errorlint // the very same
			t.Errorf("%q in ranges %d: %v", input, bounds, err)
		}
		if from >= 0 && from != next {
			t.Errorf("%q in ranges %d: the one from %d begins at %d, the one before ended at %d", input, bounds, start, from, next)
		}
		next = max(next, to)
	}
	if diff := cmp.Diff(want, all); diff != "" || next != int64(len(input)) {
		t.Errorf("%q in ranges %d and blocks of %d ends at %d (-reader +ranges):\n%s", input, bounds, size, next, diff)
	}
}

// content generates a file of records: of one form or mixed, with noise, blank
// lines, a byte order mark, CRLF, cut short, or none of these.
func content() *rapid.Generator[string] {
	noise := rapid.SampledFrom([]string{
		"", " ", "oops", "oops }", `{"cut":`, `{"cut":[`, `{"cut":{}`, `{"cut":"x`, `{"cut":"}`, `{"a" 1}`, "]", "}", "{", `{"a":1}}`, "null", `{"a":1]{"b":2}`,
		`{"a":1} {"b":2}`, `{"a":1}x{"b":2}`, "{\n  \"a\": 1\n  \"b\": [\n{}\n{}\n{}\n  ]\n}", "{ \"a\": 1\n  \"b\": 2\n}", "[1]", "[", "{\"a\":[\n{}\n{\"b\":1}\n{}\n]}", "{\"a\"\t\r:{}}", "  {", "    }", ",",
	})
	return rapid.Custom(func(t *rapid.T) string {
		record := object()
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			record = rapid.Map(record, pretty)
		case 1:
			record = rapid.OneOf(record, rapid.Map(record, pretty), noise)
		case 2:
			record = rapid.OneOf(record, record, noise)
		}
		list := rapid.SliceOfN(record, 0, 12).Draw(t, "records")
		gap := rapid.SampledFrom([]string{"\n", "\n", "\r\n", "\n\n", "\n \n", "", " ", "\n  "}).Draw(t, "gap")
		s := strings.Join(list, gap)
		if rapid.IntRange(0, 3).Draw(t, "array") == 0 {
			s = "[" + gap + strings.Join(list, gap+","+gap) + gap + "]"
		}
		if rapid.Bool().Draw(t, "ended") {
			s += gap
		}
		switch rapid.IntRange(0, 7).Draw(t, "more") {
		case 0:
			s = "\xef\xbb\xbf" + s
		case 1:
			s = s[:rapid.IntRange(0, len(s)).Draw(t, "cut")]
		case 2:
			s = "\n \r\n " + s
		}
		return s
	})
}

// Blocks hold the records that a Reader finds, and end as it does, whatever the
// input, its pieces and the blocks' size; ranges hold them all together, each
// once, and tile the file. Catches a block that begins within a record, and one
// whose reader remembers too little or too much of what came before.
func TestBlocksAreTheReadersRecords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		input := content().Draw(rt, "input")
		for i := range uint64(20) {
			compareBlocks(checked{t, rt}, []byte(input), i)
		}
	})
}

// Inputs in which a wrong cut, or a reader that remembers too much or too little
// behind one, shows: in blocks and ranges of many sizes.
func TestBlocksOfMixedForms(t *testing.T) {
	for _, input := range []string{
		"{\"n\":1}\n{\n\"a\":[\n{}\n],\n\"b\":\n{\"c\":1}\n}\n{\"n\":2}\n",                                   // an object's line within another
		"{\"a\":\n{\"b\":1}\n}\n{\"n\":2}\n",                                                                 // the same, behind a line that is none
		"{\n\"a\":1\n}\n{\"n\":1}\n{ \"a\": 1\n  \"b\": 2\n}\n{\"n\":2}\n",                                   // lines again, behind one spread over lines
		"{\n\"a\":1\n}\n{\"cut\":{}\n{ \"a\": 1\n  \"b\": 2\n}\n{\"n\":2}\n",                                 // and not yet
		"{\"n\":1}    {\n  \"a\": 1\n  \"b\": 2\n  }\n  {\n  \"a\": 1\n  \"b\": 2\n}\n{\"n\":2}\n",           // indented within a line
		"{\"n\":1}\n    {\n  \"a\": 1\n  \"b\": 2\n  }\n{\n  \"a\": 1\n  \"b\": 2\n}\n{\"n\":2}\n",           // and at its start
		"{\"a\":\"}\n{\"n\":1}\n{\"a\":\"\\\n{\"n\":2}\n{\"a\":\"\\n{}\\n{}\"}\n{\"n\":3}\n{\"x\":\"线索\"}\n", // strings cut, escapes, characters of several bytes
		"\xef\xbb\xbf\n \r\n{\"n\":1}\r\n\r\n\r\n{\"n\":2}\r\n \t{\"n\":3}\r\n{\"n\":4}\r\n\r\n\n",           // blank lines
		"{\"n\":1}{\"n\":2}\n{\"n\":3] {\"n\":4}\n{\"n\":5}\t\r{\"n\":6}\n{\"n\":7}\n",                       // several a line
		"[\n{\"n\":1},\n{\"n\":2}\n,{\"n\" 3}\n]\n\n",                                                        // an array a line an element
		"[{\"n\":1},{\"n\":2}\n{\"n\":3}\n{\"n\":4}]",                                                        // and a comma missing
	} {
		for seed := range uint64(300) {
			compareBlocks(t, []byte(input), seed)
		}
	}
}

// checked reports failures to rapid, which makes them smaller.
type checked struct {
	testing.TB
	rt *rapid.T
}

func (c checked) Helper()                      {}
func (c checked) Errorf(f string, args ...any) { c.rt.Errorf(f, args...) }
func (c checked) Fatal(args ...any)            { c.rt.Fatal(args...) }

// The same of any bytes.
func FuzzBlocks(f *testing.F) {
	for _, s := range []string{
		"{\"a\":1}\n{\"b\":[2]}\n{}\n", "[{\"a\":\"\\\"\"},{}]", "{\n \"a\":1\n \"b\":2\n}\n{}\n{}", "[1]\n{}\n{}", "\xef\xbb\xbf{}\n{}",
		"{\"a\":\n{\"b\":\n{}\n{}", "[{\"a\" 1},[{]]", "{\n{\n}\n}\n{}\n", "  {\n{}\n{}", "{}}\n{} x\n{}\r\n\r\n{}", "{\"a\":\"}\n{\"b\":1}\n{}{}\n{} {}\n",
	} {
		f.Add([]byte(s), uint64(len(s)))
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) { compareBlocks(t, input, seed) })
}
