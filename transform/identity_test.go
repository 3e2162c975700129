package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// jsonText generates valid JSON text with what makes canonical forms hard:
// escapes, keys that need sorting by UTF-16, numbers of every shape, white
// space.
func jsonText() *rapid.Generator[[]byte] {
	str := rapid.OneOf(
		rapid.StringMatching(`[a-c]{0,12}`),
		rapid.SampledFrom([]string{"mid", "owner", "lead_pool", "extra_data", "mapping_data", "mapping_data_text", "login_platform"}),
		rapid.SampledFrom([]string{"", "张三", "\U0001F600", "\uE000", "\uFFFD", "é", "a\"b\\c\n\x01", "</script>&\u2028"}),
		rapid.String(),
	)
	quote := func(t *rapid.T, s string) []byte {
		var b []byte
		switch rapid.IntRange(0, 2).Draw(t, "quoting") {
		case 0:
			b, _ = json.Marshal(s) // escapes <, >, & and more
		case 1:
			b, _ = jsontext.AppendQuote(nil, s)
		default:
			b = append(b, '"')
			for _, r := range s {
				if r > 0xFFFF || r < 0x20 || r == '"' || r == '\\' {
					b, _ = jsontext.AppendQuote(b[:len(b):len(b)], string(r))
					q := b[bytes.LastIndexByte(b[:len(b)-1], '"')+1 : len(b)-1]
					if r == '"' {
						q = []byte(`\"`)
					}
					b = append(b[:bytes.LastIndexByte(b[:len(b)-1], '"')], q...)
					continue
				}
				b = append(b, `\u`...)
				b = appendHex(b, uint64(r), 4)
			}
			b = append(b, '"')
			if !json.Valid(b) {
				b, _ = jsontext.AppendQuote(nil, s)
			}
		}
		return b
	}
	space := func(t *rapid.T) string { return rapid.SampledFrom([]string{"", "", " ", "\n\t"}).Draw(t, "space") }
	number := rapid.SampledFrom([]string{
		"0", "-0", "-1", "1.0", "1e3", "1E+3", "0.10", "-0.0", "1e21", "1e20", "123456789012345678901234567890",
		"9007199254740993", "1e-7", "1e-6", "0.000001", "5e-324", "1.7976931348623157e308", "333333333.33333329", "4.50",
	})
	var value func(t *rapid.T, depth int) []byte
	value = func(t *rapid.T, depth int) []byte {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth > 4 {
			kind %= 5
		}
		switch kind {
		case 0:
			return []byte("null")
		case 1:
			return []byte(rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool"))
		case 2:
			return []byte(number.Draw(t, "number"))
		case 3, 4:
			return quote(t, str.Draw(t, "string"))
		case 5:
			b := []byte("[" + space(t))
			for i := range rapid.IntRange(0, 4).Draw(t, "elements") {
				if i > 0 {
					b = append(b, ","+space(t)...)
				}
				b = append(append(b, value(t, depth+1)...), space(t)...)
			}
			return append(b, ']')
		default:
			b := []byte("{" + space(t))
			keys := rapid.SliceOfNDistinct(str, 0, 8, rapid.ID[string]).Draw(t, "keys")
			for i, k := range keys {
				if i > 0 {
					b = append(b, ","+space(t)...)
				}
				b = append(append(b, quote(t, k)...), space(t)+":"+space(t)...)
				b = append(append(b, value(t, depth+1)...), space(t)...)
			}
			return append(b, '}')
		}
	}
	return rapid.Custom(func(t *rapid.T) []byte {
		b := value(t, 0)
		if !jsontext.Value(b).IsValid() {
			t.Skip("two keys are equal") // rapid's own text may hold invalid UTF-8 made equal
		}
		return b
	})
}

// The canonical form must be the library's, byte for byte: a difference would
// give one event two identities as soon as another implementation writes.
func TestCanonicalEqualsLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := jsonText().Draw(t, "text")
		want := jsontext.Value(bytes.Clone(src))
		if err := want.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
			t.Fatal(err)
		}
		var c canonicalizer
		nodes, _ := new(reader).read(nil, src)
		id := c.eventID(src, nodes)
		if !bytes.Equal(c.out, want) {
			t.Fatalf("canonical form of %s\n got %s\nwant %s", src, c.out, want)
		}
		if sum := sha256.Sum256(want); !bytes.Equal(id[:], sum[:16]) {
			t.Fatalf("event id is not the hash of the canonical form")
		}
	})
}

// The nodes must tell the same values as the library's tokens, each with its
// boundaries: else values would land under other keys.
func TestReadEqualsTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := jsonText().Draw(t, "text")
		nodes, r := new(reader).read(nil, src)
		if r != nil {
			t.Fatal(r)
		}
		dec := jsontext.NewDecoder(bytes.NewReader(src))
		i := 0
		var open []int
		for {
			tok, err := dec.ReadToken()
			if err != nil {
				break
			}
			switch tok.Kind() {
			case '{', '[':
				open = append(open, i)
			case '}', ']':
				n := nodes[open[len(open)-1]]
				open = open[:len(open)-1]
				if int(n.next) != i || int64(n.end) != dec.InputOffset() {
					t.Fatalf("%s: container ends at %d before node %d, want %d, %d", src, n.end, n.next, dec.InputOffset(), i)
				}
				continue
			}
			n := nodes[i]
			if n.kind != byte(tok.Kind()) || !jsontext.Value(src[n.start:n.end]).IsValid() {
				t.Fatalf("%s: node %d is %c over %q, token %c", src, i, n.kind, src[n.start:n.end], tok.Kind())
			}
			if n.kind == '"' && string(text(src, &n)) != tok.String() {
				t.Fatalf("%s: node %d reads %q, token %q", src, i, text(src, &n), tok.String())
			}
			i++
		}
		if i != len(nodes) {
			t.Fatalf("%s: %d nodes, %d tokens", src, len(nodes), i)
		}
	})
}

// The quick scan must find the very nodes that the library's tokens give, and
// accept nothing that the library refuses, duplicate keys aside: those the
// canonical form must notice.
func checkScan(t interface{ Fatalf(string, ...any) }, src []byte) {
	nodes, ok := scan(nil, src)
	want, r := new(reader).read(nil, src)
	if !ok {
		if r == nil {
			t.Fatalf("%q: not scanned, though the library takes it", src) // no harm, but no gain
		}
		return
	}
	var c canonicalizer
	c.eventID(src, nodes)
	if (r != nil) != c.duplicate || r != nil && r.Cause != "duplicate key" {
		t.Fatalf("%q: scanned, duplicate key %v; the library says %v", src, c.duplicate, r)
	}
	identify(want, src)
	if r == nil && !slices.EqualFunc(nodes, want, func(a, b node) bool {
		a.flags &= escaped // the rest only scan finds out
		return a == b
	}) {
		t.Fatalf("%q: nodes\n got %v\nwant %v", src, nodes, want)
	}
	if r == nil {
		checkFlags(t, src, nodes, want)
	}
}

func TestScanEqualsLibrary(t *testing.T) {
	for _, src := range []string{
		``, ` `, `{`, `}`, `[`, `]`, `{]`, `[}`, `{}`, `[]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `[1 2]`, `{"a" 1}`, `{"a":1 "b":2}`,
		`{1:2}`, `"a" "b"`, `1 `, `01`, `-`, `-0`, `-01`, `1.`, `.1`, `1.5e`, `1e+`, `1E+05`, `+1`, `1e5x`, `nul`, `nulll`, `null`, `truefalse`, `tru`,
		`"`, `"\`, `"\"`, `"\u12"`, `"\ud800"`, `"\ud83d\ude00"`, `"\udc00\ud800"`, `"\x"`, "\"\x01\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\u2028\x7f\"",
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"aaaaaaaaa":1,"aaaaaaaab":{"b":1,"b":1}}`, `{"":1,"":2}`, `{"a":{"a":{"a":[]}}}`, "\ufeff{}", "{}\x00", "\v{}",
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	} {
		checkScan(t, []byte(src))
	}
	rapid.Check(t, func(t *rapid.T) {
		src := jsonText().Draw(t, "text")
		checkScan(t, src)
		// One byte changed, left out or doubled finds the edges of the grammar.
		i := rapid.IntRange(0, len(src)-1).Draw(t, "at")
		b := rapid.SampledFrom([]byte("{}[]:,\"\\0-1.eEtfnu \n\x00\x80\xff")).Draw(t, "byte")
		checkScan(t, slices.Concat(src[:i], []byte{b}, src[i+1:]))
		checkScan(t, slices.Concat(src[:i], src[i+1:]))
		checkScan(t, slices.Concat(src[:i], src[i:i+1], src[i:]))
	})
}

// FuzzScan is TestScanEqualsLibrary with the fuzzer's texts.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"mid":"941","extra_data":{"a":[null,-1.5e3,"\u4e2d\n"],"b":{}},"mid":true}`))
	f.Fuzz(func(t *testing.T, src []byte) { checkScan(t, src) })
}

// JSON text must keep its meaning and its order of keys.
func TestAppendJSONKeepsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := jsonText().Draw(t, "text")
		nodes, _ := new(reader).read(nil, src)
		got := appendJSON(nil, src, nodes, 0, asSent)
		want := jsontext.Value(bytes.Clone(src))
		if err := want.Format(); err != nil { // minimal white space and escapes, numbers and order as they are
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("text of %s\n got %s\nwant %s", src, got, want)
		}
	})
}
