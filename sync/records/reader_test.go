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

// readAll returns the text of every record of the input, and the error that
// ended it, nil for the input's end. It checks every record's place.
func readAll(t testing.TB, input []byte, src io.Reader) ([]string, error) {
	t.Helper()
	r := NewReader(src)
	var texts []string
	for {
		rec, err := r.Next()
		if err != nil {
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("after error %v, Next returns %v", err, again)
			}
			if err == io.EOF { //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
				err = nil
			}
			return texts, err
		}
		texts = append(texts, string(rec.Data))
		if rec.Number != len(texts) {
			t.Errorf("record %d has number %d", len(texts), rec.Number)
		}
		if line := 1 + bytes.Count(input[:rec.Offset], []byte{'\n'}); rec.Line != line {
			t.Errorf("record %d has line %d, want %d", rec.Number, rec.Line, line)
		}
		at := input[rec.Offset : rec.Offset+rec.Size]
		if len(at) > limit {
			at = at[:limit]
		}
		if !bytes.Equal(at, rec.Data) {
			t.Errorf("record %d at offset %d, size %d is %.60q, the input there is %.60q", rec.Number, rec.Offset, rec.Size, rec.Data, at)
		}
	}
}

// Each case is a form of input that a person has, or one that went wrong:
// records that are split elsewhere lose an event or make a dead letter of its
// neighbour.
func TestNext(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		err      string // part of the error
	}{
		{name: "empty", in: ""},
		{name: "blank", in: " \r\n\t\n"},
		{name: "byte order mark only", in: "\xef\xbb\xbf"},
		{name: "lines", in: "{\"a\":1}\n{\"b\":2}\n", want: []string{`{"a":1}`, `{"b":2}`}},
		{name: "no line feed at the end", in: "{\"a\":1}\n{\"b\":2}", want: []string{`{"a":1}`, `{"b":2}`}},
		{name: "byte order mark, CRLF, blank lines", in: "\xef\xbb\xbf{\"a\":1}\r\n\r\n  \r\n{\"b\":2}\r\n", want: []string{`{"a":1}`, `{"b":2}`}},
		{name: "concatenated", in: `{"a":{"x":[1]}}{"b":2} {"c":"}{"}`, want: []string{`{"a":{"x":[1]}}`, `{"b":2}`, `{"c":"}{"}`}},
		{name: "several a line", in: "{\"a\":1}{\"b\":2}\n{\"c\":3}  {\"d\":4}\n", want: []string{`{"a":1}`, `{"b":2}`, `{"c":3}`, `{"d":4}`}},
		{name: "pretty", in: "{\n  \"a\": {\n    \"b\": []\n  }\n}\n{\n  \"c\": 1\n}\n", want: []string{"{\n  \"a\": {\n    \"b\": []\n  }\n}", "{\n  \"c\": 1\n}"}},
		{name: "pretty, concatenated", in: "{\n  \"a\": 1\n}{\n  \"b\": 2\n}", want: []string{"{\n  \"a\": 1\n}", "{\n  \"b\": 2\n}"}},
		{name: "pretty, first member on the brace's line", in: "{ \"a\": {}\n, \"b\": 2 }\n{ \"c\": 3\n}\n", want: []string{"{ \"a\": {}\n, \"b\": 2 }", "{ \"c\": 3\n}"}},
		{name: "escapes", in: `{"a":"\"{\\"}` + "\n" + `{"b":"\\\""}`, want: []string{`{"a":"\"{\\"}`, `{"b":"\\\""}`}},

		{name: "noise lines", in: "oops\n{\"a\":1}\n123\n\"x {\"\n}\n{\"b\":2}\ntrue {\"c\":3}\n", want: []string{"oops", `{"a":1}`, "123", `"x {"`, "}", `{"b":2}`, `true {"c":3}`}},
		{name: "malformed line", in: "{\"a\":1}\n{\"b\" 2}\n{\"c\":3}\n", want: []string{`{"a":1}`, `{"b" 2}`, `{"c":3}`}},
		{name: "line cut in a string", in: "{\"a\":\"x\n{\"b\":2}\n", want: []string{`{"a":"x`, `{"b":2}`}},
		{name: "line cut after a value", in: "{\"a\":1\n{\"b\":2}\n{\"c\":3}", want: []string{`{"a":1`, `{"b":2}`, `{"c":3}`}},
		{name: "line cut after a colon", in: "{\"a\":\n{\"b\":2}\n{\"c\":3}", want: []string{`{"a":`, `{"b":2}`, `{"c":3}`}},
		{name: "line cut in an array", in: "{\"a\":[\n{\"b\":2}\n{\"c\":3}", want: []string{`{"a":[`, `{"b":2}`, `{"c":3}`}},
		{name: "line cut before noise", in: "{\"a\":\nnoise\n{\"b\":2}", want: []string{`{"a":`, "noise", `{"b":2}`}},
		{name: "last line cut", in: "{\"a\":1}\n{\"b\":[2", want: []string{`{"a":1}`, `{"b":[2`}},
		{name: "two lines cut", in: "{\"a\":[\n{\"b\":[\n{\"c\":3}\n", want: []string{`{"a":[`, `{"b":[`, `{"c":3}`}},
		{name: "too many brackets", in: "{\"a\":1}}\n{\"b\":2}\n", want: []string{`{"a":1}}`, `{"b":2}`}},
		{name: "object, then garbage", in: "{\"a\":1} x\n{\"b\":2},\n{\"c\":3}{\"d\":4} [\n", want: []string{`{"a":1} x`, `{"b":2},`, `{"c":3}`, `{"d":4} [`}},
		{name: "pretty, then garbage", in: "{\n  \"a\": 1\n},\n{\n  \"b\": 2\n}\n", want: []string{"{\n  \"a\": 1\n}", ",", "{\n  \"b\": 2\n}"}},
		{name: "malformed, then garbage", in: "{\"a\" 1} x\n{\"b\":2}", want: []string{`{"a" 1} x`, `{"b":2}`}},
		{name: "malformed among concatenated", in: `{"a":1}{bad}{"b":2}`, want: []string{`{"a":1}`, `{bad}`, `{"b":2}`}},
		{name: "quote missing among concatenated", in: "{\"a\":\"x}{\"b\":2}\n{\"c\":3}", want: []string{`{"a":"x}{"b":2}`, `{"c":3}`}},
		{name: "pretty, comma missing", in: "{\n  \"a\": 1\n  \"b\": 2\n}\n{\n  \"c\": 3\n}\n", want: []string{"{\n  \"a\": 1\n  \"b\": 2\n}", "{\n  \"c\": 3\n}"}},
		{name: "pretty, comma missing, nested", in: "{\n  \"a\": {\n    \"x\": 1\n    \"y\": {\n    }\n  }\n}\n{\n  \"c\": 3\n}\n", want: []string{"{\n  \"a\": {\n    \"x\": 1\n    \"y\": {\n    }\n  }\n}", "{\n  \"c\": 3\n}"}},
		{name: "pretty, cut", in: "{\n  \"a\": {\n    \"b\": 1,\n{\n  \"c\": 3\n}\n", want: []string{"{\n  \"a\": {\n    \"b\": 1,", "{\n  \"c\": 3\n}"}},
		{name: "pretty, cut after a colon", in: "{\n  \"a\":\n{\n  \"c\": 3\n}\n{\n  \"d\": 4\n}\n", want: []string{"{\n  \"a\":", "{\n  \"c\": 3\n}", "{\n  \"d\": 4\n}"}},
		{name: "pretty and indented, comma missing", in: "  {\n    \"a\": 1\n    \"b\": 2\n  }\n  {\n    \"c\": 3\n  }\n", want: []string{"{\n    \"a\": 1\n    \"b\": 2\n  }", "{\n    \"c\": 3\n  }"}},
		{name: "pretty, first member on the brace's line, comma missing", in: "{ \"a\": 0,\n  \"b\": 0\n}\n{ \"a\": 1\n  \"b\": 2\n}\n{ \"c\": 3\n}\n", want: []string{"{ \"a\": 0,\n  \"b\": 0\n}", "{ \"a\": 1\n  \"b\": 2\n}", "{ \"c\": 3\n}"}},
		{name: "brace on a line of its own", in: "{\n{\"a\":1}\n{\"b\":2}\n", want: []string{"{", `{"a":1}`, `{"b":2}`}},
		{name: "deep line", in: strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200) + "\n{\"b\":2}", want: []string{strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), `{"b":2}`}},

		{name: "array", in: `[{"a":1},{"b":[2,"]"]}]`, want: []string{`{"a":1}`, `{"b":[2,"]"]}`}},
		{name: "array over lines", in: "\xef\xbb\xbf[\n  {\"a\":1},\r\n  {\"b\":2}\n]\n\n", want: []string{`{"a":1}`, `{"b":2}`}},
		{name: "array, a line an element", in: "[{\"a\":1},\n{\"b\":2},\n{\"c\":3}]\n", want: []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}},
		{name: "empty array", in: " [ ]\n"},
		{name: "array of anything", in: `[1, "x\"]", null, [2], {"a":1}]`, want: []string{"1", `"x\"]"`, "null", "[2]", `{"a":1}`}},
		{name: "malformed element", in: `[{"a":1},{"b" 2},{"c":3}]`, want: []string{`{"a":1}`, `{"b" 2}`, `{"c":3}`}},
		{name: "deep element", in: "[" + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `,{"a":1}]`, want: []string{strings.Repeat("[", 200) + strings.Repeat("]", 200), `{"a":1}`}},
		{name: "array as the first line", in: "[{\"a\":1}]\n{\"b\":2}\n", want: []string{`[{"a":1}]`, `{"b":2}`}},
		{name: "array as a later line", in: "{\"a\":1}\n[{\"b\":2}]\n{\"c\":3}", want: []string{`{"a":1}`, `[{"b":2}]`, `{"c":3}`}},
		{name: "arrays as lines", in: "[1]\n[2]\n", want: []string{"[1]", "[2]"}},
		{name: "log line first", in: "[INFO]\n{\"a\":1}\n", want: []string{"[INFO]", `{"a":1}`}},

		{name: "array without end", in: `[{"a":1},`, want: []string{`{"a":1}`}, err: "cut short at offset 9: unexpected EOF"},
		{name: "array cut in an element", in: `[{"a":1},{"b":`, want: []string{`{"a":1}`}, err: "cut short at offset 14"},
		{name: "array cut after an element", in: `[{"a":1}`, want: []string{`{"a":1}`}, err: "cut short at offset 8"},
		{name: "only a bracket", in: `[`, err: "cut short at offset 1"},
		{name: "comma missing between elements", in: "[{\"a\":1}\n{\"b\":2}]", want: []string{`{"a":1}`}, err: "offset 9, line 2: ',' or ']' expected"},
		{name: "comma too many", in: `[{"a":1},]`, want: []string{`{"a":1}`}, err: "offset 9, line 1: a value expected"},
		{name: "element not closed", in: `[{"a":1},{"b":{"c":2},]`, want: []string{`{"a":1}`}, err: "offset 22, line 1: a key expected"},
		{name: "more after the array", in: "[{\"a\":1},\n{\"b\":2}]\n{}", want: []string{`{"a":1}`, `{"b":2}`}, err: "offset 19, line 3: nothing after the array expected"},

		{name: "UTF-16", in: "\xff\xfe{\x00}\x00", err: "UTF-16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"at once":                 strings.NewReader(tt.in),
				"a byte at a time":        iotest.OneByteReader(strings.NewReader(tt.in)),
				"the end with the last":   iotest.DataErrReader(strings.NewReader(tt.in)),
				"half of what is wanted":  iotest.HalfReader(strings.NewReader(tt.in)),
				"nothing now and then":    &hesitant{src: iotest.OneByteReader(strings.NewReader(tt.in))},
				"two bytes, then the end": iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(tt.in))),
			} {
				got, err := readAll(t, []byte(tt.in), src)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: records (-want +got):\n%s", name, diff)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%s: error is %v, want one with %q", name, err, tt.err)
				}
			}
			for seed := range uint64(30) {
				compareBlocks(t, []byte(tt.in), seed)
			}
		})
	}
}

// hesitant returns nothing at every other call, as a reader may.
type hesitant struct {
	src  io.Reader
	skip bool
}

func (h *hesitant) Read(b []byte) (int, error) {
	if h.skip = !h.skip; h.skip {
		return 0, nil
	}
	return h.src.Read(b)
}

// A record that the input's failure cut must not come out as if it were whole,
// and the failure must not pass for the end, not even one that wraps io.EOF.
func TestReadError(t *testing.T) {
	failure := fmt.Errorf("connection lost: %w", io.EOF)
	for _, in := range []string{
		"{\"a\":1}\n{\"b\":2",  // in an object
		"{\"a\":1}\n{\n\"b\":", // in a pretty-printed one
		"{\"a\":1}\nno",        // in a line
		"[{\"a\":1},{\"b\"",    // in an element
		"[{\"a\":1}",           // between elements
		"{\"a\":1}\n",          // between lines
	} {
		src := io.MultiReader(strings.NewReader(in), iotest.ErrReader(failure))
		got, err := readAll(t, []byte(in), src)
		if diff := cmp.Diff([]string{`{"a":1}`}, got); diff != "" {
			t.Errorf("%q: records (-want +got):\n%s", in, diff)
		}
		if !errors.Is(err, failure) {
			t.Errorf("%q: error is %v, want %v", in, err, failure)
		}
	}
	if _, err := readAll(t, nil, iotest.ErrReader(failure)); !errors.Is(err, failure) {
		t.Errorf("nothing read: error is %v, want %v", err, failure)
	}
}

// A reader that never gives anything must not hang the program.
func TestNoProgress(t *testing.T) {
	if _, err := NewReader(stuck{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error is %v, want %v", err, io.ErrNoProgress)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }
