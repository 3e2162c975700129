package bqtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestAppend would catch a value lost or changed between the client and what
// a test reads back.
func TestAppend(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	at := time.Now().UTC().Truncate(time.Microsecond)
	row := w.row("a", func(m *dynamicpb.Message) {
		set(m, "at", at.UnixMicro())
		set(m, "n", int64(-5))
		set(m, "ok", false)
		set(m, "f", 1.5)
		set(m, "raw", []byte{0, 255})
		set(m, "doc", `{"a": 1}`)
		f := m.Descriptor().Fields()
		tags := m.Mutable(f.ByName("tags")).List()
		tags.Append(protoreflect.ValueOf("x"))
		tags.Append(protoreflect.ValueOf("y"))
		changes := m.Mutable(f.ByName("changes")).List()
		c := changes.NewElement().Message().Interface().(*dynamicpb.Message)
		set(c, "field", "owner")
		changes.Append(protoreflect.ValueOf(c.ProtoReflect()))
	})
	resp, err := w.append(row, w.row("b", func(m *dynamicpb.Message) { set(m, "at", at.UnixMicro()) }))
	if err != nil {
		t.Fatal(err)
	}
	if resp.GetAppendResult() == nil || resp.GetAppendResult().GetOffset() != nil {
		t.Errorf("answer %v: want a result without an offset", resp)
	}
	want := []map[string]any{
		{
			"id": "a", "at": at, "n": int64(-5), "ok": false, "f": 1.5, "raw": []byte{0, 255}, "doc": `{"a": 1}`,
			"tags": []any{"x", "y"}, "changes": []any{map[string]any{"field": "owner"}},
		},
		{"id": "b", "at": at},
	}
	if diff := cmp.Diff(want, s.Rows("t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if _, err := w.append(w.row("c")); err != nil {
		t.Fatal(err)
	}
	stats := s.Stats("d.t")
	if stats.Appends != 2 || stats.Written != 2 || stats.Connections != 1 || stats.LargestRows != 2 || stats.LargestSize < len(row) {
		t.Errorf("stats %+v", stats)
	}
	if n := s.NumRows("t"); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}
