package records

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is larger than an event may be comes out cut short, with its real size,
// and its neighbours come out whole: in every form, and malformed or not. The
// buffer stays bounded.
func TestTooLarge(t *testing.T) {
	big := strings.Repeat("x", limit)
	deep := strings.Repeat("[", limit)
	pretty := "{\n  \"a\": [\n" + strings.Repeat("    1,\n", limit/7) + "    2\n  ]"
	tests := []struct {
		name, before, record, after string
	}{
		{"line", "", `{"a":"` + big + `"}`, "\n"},
		{"line, CRLF", "", `{"a":"` + big + `"}`, "\r\n"},
		{"concatenated", "", `{"a":"` + big + `"}`, ""},
		{"noise line", "", big, "\n"},
		{"malformed line", "", `{"a" "` + big + `"}`, "\n"},
		{"line malformed late", "", `{"a":"` + big + `" 1}`, "\n"},
		{"line cut", "", `{"a":"` + big, "\n"},
		{"brackets", "", deep, "\n"},
		{"brackets in an object", "", `{"a":` + deep, "\n"},
		{"pretty", "", pretty + "\n}", "\n"},
		{"pretty, malformed early", "", strings.Replace(pretty, "1,", "1 1,", 1) + "\n}", "\n"},
		{"pretty, malformed late", "", pretty + "\n  \"b\": 1\n}", "\n"},
		{"pretty, cut", "", pretty, "\n"},
		{"element", "[", `{"a":"` + big + `"}`, "\n,"},
		{"element over lines", "[\n", pretty + "\n}", ",\n"},
		{"number", "[", strings.Repeat("1", limit), ","},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, last, end := "{\"n\":1}\n", `{"n":2}`, ""
			if strings.HasPrefix(tt.before, "[") {
				first, end = `{"n":1},`, "]"
			}
			in := tt.before + first + tt.record + tt.after + last + end
			r := NewReader(strings.NewReader(in))
			var sizes []int64
			var texts []string
			for {
				rec, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, rec.Size)
				texts = append(texts, string(rec.Data))
				if want := in[rec.Offset : rec.Offset+int64(len(rec.Data))]; want != string(rec.Data) {
					t.Errorf("record %d is not what stands at offset %d", rec.Number, rec.Offset)
				}
				if line := 1 + strings.Count(in[:rec.Offset], "\n"); rec.Line != line {
					t.Errorf("record %d has line %d, want %d", rec.Number, rec.Line, line)
				}
			}
			if len(texts) != 3 {
				t.Fatalf("%d records, want 3", len(texts))
			}
			if len(texts[1]) != limit {
				t.Errorf("the large record is %d bytes, want it cut to %d", len(texts[1]), limit)
			}
			if got, want := sizes[1], int64(len(tt.record)); got < want || got > want+1 {
				t.Errorf("the large record's size is %d, want %d", got, want)
			}
			if diff := cmp.Diff([]string{`{"n":1}`, last}, []string{texts[0], texts[2]}); diff != "" {
				t.Errorf("its neighbours (-want +got):\n%s", diff)
			}
			if cap(r.buf) > 16<<20 {
				t.Errorf("the buffer grew to %d bytes", cap(r.buf))
			}
		})
	}
}
