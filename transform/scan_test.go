package transform

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// checkFlags holds what scan knows of a text against what is made of the same
// nodes without knowing it, and against the library: a text that is copied as
// it stands must be what would have been made of it.
func checkFlags(t interface{ Fatalf(string, ...any) }, src []byte, nodes, bare []node) {
	for i, n := range nodes {
		raw := src[n.start:n.end]
		if n.flags&compact != 0 {
			for _, nums := range []numbers{asSent, asBigQuery} {
				if want := appendJSON(nil, src, bare, i, nums); !bytes.Equal(raw, want) {
					t.Fatalf("%q: node %d is not compact: %q, want %q", src, i, raw, want)
				}
			}
		}
		if n.flags&compact != 0 && n.isScalar() {
			if want := canonicalOf(t, raw); !bytes.Equal(raw, want) {
				t.Fatalf("%q: node %d is not canonical: %q, want %q", src, i, raw, want)
			}
		}
	}
	for _, nums := range []numbers{asSent, asBigQuery} {
		if got, want := appendJSON(nil, src, nodes, 0, nums), appendJSON(nil, src, bare, 0, nums); !bytes.Equal(got, want) {
			t.Fatalf("%q: text\n got %s\nwant %s", src, got, want)
		}
	}
	var c canonicalizer
	c.eventID(src, nodes)
	if want := canonicalOf(t, src); !bytes.Equal(c.out, want) {
		t.Fatalf("%q: canonical form\n got %s\nwant %s", src, c.out, want)
	}
}

func canonicalOf(t interface{ Fatalf(string, ...any) }, src []byte) []byte {
	v := jsontext.Value(bytes.Clone(src))
	if err := v.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	return v
}

// What is written without white space and needless escapes must be known as
// such, or all is right and slow.
func TestScanKnowsWhatIsCompact(t *testing.T) {
	for src, want := range map[string]nodeFlags{
		`null`: compact, `true`: compact, `-12`: compact, `123456789012345678`: compact, `1234567890123456789`: 0, `-0`: 0, `0.5`: 0, `1e3`: 0,
		`""`: compact, `"张三"`: compact, `"a\n\"\\\t"`: compact | escaped, `"a\/"`: escaped, `"\u0061"`: escaped, `"\u0001"`: escaped,
		`[]`: compact, `{}`: compact, ` [1,"a",[]] `: compact, `{"a":[1]}`: compact, `[{"a":1},{"b":1}]`: compact,
		`{"a":1,"b":2}`: compact, `[{"a":1,"b":2}]`: compact, `{"b":1,"a":{}}`: compact,
		`[ ]`: 0, `{ }`: 0, `[1 ]`: 0, `[ 1]`: 0, `[1, 2]`: 0, `{"a" :1}`: 0, `{"a": 1}`: 0, `{ "a":1}`: 0, `{"a":1 }`: 0, `[0.5]`: 0, `["\/"]`: 0, `{"\/":1}`: 0,
	} {
		nodes, ok := scan(nil, []byte(src))
		if !ok || nodes[0].flags != want {
			t.Errorf("%s: flags %03b, want %03b", src, nodes[0].flags, want)
		}
	}
	nodes, _ := scan(nil, []byte(`[ [1] ,{"a":[ ],"b":[1]}]`))
	for i, want := range []nodeFlags{0, compact, compact, 0, compact, 0, compact, compact, compact} {
		if nodes[i].flags != want {
			t.Errorf("node %d: flags %03b, want %03b", i, nodes[i].flags, want)
		}
	}
}

// Eight bytes are looked at together: what ends a run must be found at each of
// their places, whatever stands around it, and nothing else must.
func TestPlainRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]byte("\"\\\x00\x01\x1f !#[]\x7f\x80\x9f\xa2\xdc\xff"))
		src := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), odd, rapid.Just(byte('x'))), 0, 40).Draw(t, "text")
		from := rapid.IntRange(0, len(src)).Draw(t, "from")
		want := from
		beyond := false
		for want < len(src) && src[want] != '"' && src[want] != '\\' && src[want] >= ' ' {
			beyond = beyond || src[want] >= 0x80
			want++
		}
		if got, seen := plainRun(src, from); got != want || seen&eachHighest != 0 != beyond {
			t.Fatalf("%q from %d: ends at %d, beyond ASCII %t; want %d, %t", src, from, got, seen&eachHighest != 0, want, beyond)
		}
	})
}

// Each known key must be found by its name and no other text must be taken for
// one, a beginning or end of it least of all.
func TestKeyTable(t *testing.T) {
	promote(t, "线x9", "envelope.trace9", "a9", strings.Repeat("long", 60))
	seen := 0
	for id, name := range keys.names {
		if name == "" {
			continue
		}
		seen++
		if got := keys.id([]byte(name)); got != keyID(id) {
			t.Errorf("%s has the id %d, want %d", name, got, id)
		}
		for _, other := range []string{name[1:], name[:len(name)-1], name + "x", "x" + name, strings.ToUpper(name)} {
			if got := keys.id([]byte(other)); keys.names[got] != other && got != 0 {
				t.Errorf("%s is taken for %s", other, keys.names[got])
			}
		}
		for part, columns := range []map[string]int{envelopeColumns, extraDataColumns} {
			col, ok := columns[name]
			if got := keys.columns[part][id]; ok && int(got) != col || !ok && got != noColumn && got < maxEventColumns {
				t.Errorf("%s of part %d is in column %d, want %d", name, part, got, col)
			}
		}
	}
	if seen < len(extraDataColumns)+len(envelopeColumns) {
		t.Errorf("%d keys of %d and %d", seen, len(extraDataColumns), len(envelopeColumns))
	}
	if id := keys.id([]byte("线x9")); id <= keys.ordered {
		t.Errorf("线x9 counts as ASCII: %d of %d", id, keys.ordered)
	}
}
