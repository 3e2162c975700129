package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// object generates a JSON object with the bytes that mislead a splitter:
// brackets, quotes and line feeds within strings.
func object() *rapid.Generator[string] {
	tricky := rapid.SampledFrom([]string{"", "a", "{", "}", "[", "]", ",", ":", `"`, `\`, "\n", "}{", "线索", `\"`, "\x00", "] , {"})
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(tricky, 0, 4).Draw(t, "text"), "") })
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{
			rapid.Map(text, func(s string) any { return s }),
			rapid.SampledFrom([]any{nil, true, -1.5e-7, 12}),
		}
		if depth > 0 {
			kinds = append(kinds,
				rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(v []any) any { return v }),
				rapid.Map(rapid.MapOfN(text, value(depth-1), 0, 3), func(v map[string]any) any { return v }))
		}
		return rapid.OneOf(kinds...)
	}
	return rapid.Map(rapid.MapOfN(text, value(2), 0, 4), func(m map[string]any) string {
		b, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return string(b)
	})
}

// pretty returns the object spread over lines.
func pretty(s string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(s), "", "  "); err != nil {
		panic(err)
	}
	return b.String()
}

// Events joined in any form come out as they went in, whatever pieces the
// input arrives in; noise lines between them come out too and cost no event.
func TestEventsSurviveEveryForm(t *testing.T) {
	noise := rapid.SampledFrom([]string{"", " ", "oops", `{"cut":`, `{"cut":[`, `{"cut":"x`, `{"a" 1}`, "]", `{"a":1}}`, "null"})
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(object(), 1, 6).Draw(t, "events")
		spread := make([]string, len(events))
		for i, e := range events {
			spread[i] = pretty(e)
		}
		gap := rapid.SampledFrom([]string{"", " ", "\n", "\r\n", "\n\n\t"}).Draw(t, "gap")
		seed := rapid.Uint64().Draw(t, "seed")

		check(t, seed, events, strings.Join(events, "\n"))
		check(t, seed, events, strings.Join(events, gap)+gap)
		check(t, seed, spread, strings.Join(spread, gap)+gap)
		check(t, seed, events, "["+gap+strings.Join(events, gap+","+gap)+gap+"]"+gap)
		check(t, seed, spread, "["+gap+strings.Join(spread, gap+","+gap)+gap+"]"+gap)

		var lines, want []string
		for _, e := range events {
			n := noise.Draw(t, "noise")
			lines = append(lines, n, e)
			if strings.TrimSpace(n) != "" {
				want = append(want, n)
			}
			want = append(want, e)
		}
		check(t, seed, want, strings.Join(lines, "\n"))
	})
}

// check reads the input in pieces of random sizes and compares.
func check(t *rapid.T, seed uint64, want []string, input string) {
	t.Helper()
	got, err := texts(&pieces{src: strings.NewReader(input), rand: rand.New(rand.NewPCG(seed, 0))})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%q: error %v, records (-want +got):\n%s", input, err, diff)
	}
}

func texts(src io.Reader) (list []string, err error) {
	r := NewReader(src)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, string(rec.Data))
	}
}

// pieces hands out its source in pieces of random sizes.
type pieces struct {
	src  io.Reader
	rand *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) { return p.src.Read(b[:min(len(b), 1+p.rand.IntN(9))]) }

// Whatever comes in: no panic, the same records for any pieces, every record
// where it says it is; and outside of arrays nothing but white space is left
// out, so that no event can vanish.
func FuzzNext(f *testing.F) {
	for _, s := range []string{
		"{\"a\":1}\n{\"b\":[2]}", "[{\"a\":\"\\\"\"},{}]", "{\n \"a\":1\n \"b\":2\n}{}", "[1]\n{", "\xef\xbb\xbf{}", "{\"a\":\n{\"b\":",
		"[{\"a\" 1},[{]]", "{\n{\n}\n}", "  {\n{}", "{}}\n{} x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		whole, wholeErr := readAll(t, input, bytes.NewReader(input))
		single, singleErr := readAll(t, input, iotest.OneByteReader(bytes.NewReader(input)))
		if diff := cmp.Diff(whole, single); diff != "" {
			t.Errorf("records depend on the pieces read (-at once +a byte at a time):\n%s", diff)
		}
		if fmt.Sprint(wholeErr) != fmt.Sprint(singleErr) {
			t.Errorf("error depends on the pieces read: %v, %v", wholeErr, singleErr)
		}
		r := NewReader(bytes.NewReader(input))
		end := int64(0)
		for {
			rec, err := r.Next()
			if err != nil {
				break
			}
			if rec.Offset < end || rec.Size <= 0 {
				t.Errorf("record %d at %d, size %d, begins before the one before it ends at %d", rec.Number, rec.Offset, rec.Size, end)
			}
			if gap := bytes.TrimPrefix(input[end:rec.Offset], []byte{0xef, 0xbb, 0xbf}); r.next != nil && !r.opened && len(bytes.TrimLeft(gap, space)) > 0 {
				t.Errorf("%q before record %d is in no record", gap, rec.Number)
			}
			end = rec.Offset + rec.Size
		}
		if wholeErr == nil && !r.opened && len(bytes.Trim(input[end:], space+"\xef\xbb\xbf[]")) > 0 {
			t.Errorf("%q at the end is in no record", input[end:])
		}
	})
}

// BenchmarkNext measures splitting alone, on events of 1.5 KB.
func BenchmarkNext(b *testing.B) {
	event := `{"mid":"941","event_type":"object_create","extra_data":{` + strings.Repeat(`"login_platform":"jing","operator_type":1,"mapping_data":{"name":["张三"]},`, 20) + `"x":"\"[\"http:\\\\/\\\\/img.example.test\\\\/mmhead\"]"}}`
	inputs := map[string]string{
		"lines":        strings.Repeat(event+"\n", 2000),
		"concatenated": strings.Repeat(event, 2000),
		"pretty":       strings.Repeat(pretty(event)+"\n", 2000),
		"array":        "[" + strings.Repeat(event+",", 1999) + event + "]",
		"cut":          strings.Repeat(event[:len(event)-2]+"\n", 2000),
	}
	for name, in := range inputs {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(strings.NewReader(in))
				n := 0
				for {
					if _, err := r.Next(); err != nil {
						break
					}
					n++
				}
				if n != 2000 {
					b.Fatalf("%d records, want 2000", n)
				}
			}
		})
	}
}
