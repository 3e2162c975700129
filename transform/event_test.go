package transform

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// A naive time must be read as the library reads it, valid or not.
func TestParseNaive(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		got, err := parseNaive([]byte(s), shanghai)
		want, wantErr := time.ParseInLocation(time.DateTime, s, shanghai)
		if (err != nil) != (wantErr != nil) || err == nil && !got.Equal(want) {
			t.Fatalf("%q: %v (%v), want %v (%v)", s, got, err, want, wantErr)
		}
	}
	for _, s := range []string{
		"2026-02-28 23:59:59", "2026-02-29 00:00:00", "2024-02-29 00:00:00", "2026-04-31 00:00:00", "2026-12-31 00:00:00", "2026-00-01 00:00:00",
		"2026-13-01 00:00:00", "2026-01-00 00:00:00", "2026-01-01 24:00:00", "2026-01-01 23:60:00", "2026-01-01 23:59:60", "0000-01-01 00:00:00",
		"0001-01-01 00:00:00", "9999-12-28 23:59:59", "1986-05-04 02:30:00", "1940-06-01 00:30:00", "2026/01/01 00:00:00", "2026-01-01 00.00.00",
		"2026-01-01 1:00:00.", "2026-01-01 1:00:0.5", "2026-01-01 01:0:0.5", "-026-01-01 00:00:00", "２6-01-01 00:00:00", "202a-01-01 00:00:00",
	} {
		check(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "at"), 0).UTC().Format(time.DateTime))
		check(t, string(s))
		i := rapid.IntRange(0, len(s)-1).Draw(t, "place")
		s[i] = rapid.SampledFrom([]byte("0123456789-: .,/a")).Draw(t, "byte")
		check(t, string(s))
	})
}

// The head of a field must be protowire's, at every edge of its forms.
func TestAppendHead(t *testing.T) {
	for _, n := range []protowire.Number{1, 15, 16, 17, 50, maxEventColumns, 127, 128, 2047} {
		for _, size := range []int{0, 1, 127, 128, 129, 16383, 16384, MaxRow} {
			want := protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.BytesType), uint64(size))
			if got := appendHead(nil, n, size); string(got) != string(want) {
				t.Errorf("field %d of %d bytes: % x, want % x", n, size, got, want)
			}
		}
	}
}

// An ordinary event must take no memory of its own, escapes included: it is
// garbage a thousand times a second.
func TestTransformTakesNoMemory(t *testing.T) {
	src := benchEvent(t)
	tr := New(Options{})
	var rows Rows
	allocs := testing.AllocsPerRun(100, func() {
		rows.Reset()
		if _, err := tr.Transform(&rows, src, Delivery{MessageID: "1", PublishedAt: now, IngestedAt: now, Source: "pubsub"}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}
