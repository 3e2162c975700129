package transform

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// unknownOf returns what the transformer counted since the last call.
func unknownOf(tr *Transformer) map[string]int {
	got := map[string]int{}
	tr.TakeUnknown(func(part Part, key string, events int) { got[part.String()+"."+key] += events })
	return got
}

// feed transforms an event of the given keys, and says whether it became rows.
func feed(tr *Transformer, envelope, extraData string) bool {
	src := fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d%s,"extra_data":{"entity_id":"e"%s}}`, now.Unix(), envelope, extraData)
	var rows Rows
	_, err := tr.Transform(&rows, []byte(src), Delivery{IngestedAt: now, Source: "pubsub"})
	return err == nil
}

// Catches a key that is counted though a column holds it or its value was not
// one for its column, one that is missed, and counts that are told twice.
func TestUnknownFields(t *testing.T) {
	tr := New(Options{})
	for i := range 10 {
		envelope, extraData := `,"openplatform":"June","notes":"n"`, `,"score":1,"notes":{"a":1},"mid":2`
		if i%2 == 0 {
			extraData += `,"\u0061":null`
		}
		if !feed(tr, envelope, extraData) {
			t.Fatal("the event was refused")
		}
	}
	if feed(tr, `,"refused":1,"mid":""`, "") {
		t.Fatal("an event without a tenant was taken")
	}
	want := map[string]int{
		"envelope.openplatform": 10, "envelope.notes": 10, "extra_data.score": 10, "extra_data.mid": 10, "extra_data.a": 5,
	}
	if diff := gocmp.Diff(want, unknownOf(tr)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := unknownOf(tr); len(got) > 0 {
		t.Errorf("told again: %v", got)
	}
	feed(tr, "", `,"score":1,"notes":"`+strings.Repeat("n", 65*keep)+`"`) // makes it forget its memory
	feed(tr, "", `,"score":1`)
	if diff := gocmp.Diff(map[string]int{"extra_data.score": 2}, unknownOf(tr)); diff != "" {
		t.Errorf("after a large event (-want +got):\n%s", diff)
	}
}

// A promoted key is known. Catches one that still counts as unknown.
func TestPromotedIsKnown(t *testing.T) {
	promote(t, "score")
	tr := New(Options{})
	feed(tr, `,"score":1`, `,"score":1`)
	feed(tr, "", `,"score":[]`)
	if diff := gocmp.Diff(map[string]int{"envelope.score": 1}, unknownOf(tr)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A source may make up keys without end. Catches a memory that grows with
// them, a name that is no label, and one that costs memory each time.
func TestUnknownFieldsBounded(t *testing.T) {
	tr := New(Options{})
	feed(tr, `,"":1,"(other)":1`, `,"a\nb":1,"`+strings.Repeat("k", 101)+`":1,"`+strings.Repeat("k", 100)+`":1,"\u200b":1,"线索 1":1`)
	want := map[string]int{
		"envelope.(other)": 2, "extra_data.(other)": 3, "extra_data." + strings.Repeat("k", 100): 1, "extra_data.线索 1": 1,
	}
	if diff := gocmp.Diff(want, unknownOf(tr)); diff != "" {
		t.Errorf("odd keys (-want +got):\n%s", diff)
	}
	for i := range 1000 {
		feed(tr, fmt.Sprintf(`,"k%d":1`, i), fmt.Sprintf(`,"k%d":1`, i))
	}
	got := unknownOf(tr)
	if len(got) != maxUnknown || got["envelope.k5"] != 1 || got["extra_data.(other)"] < 800 || got["envelope.(other)"] < 800 {
		t.Errorf("%d names told, envelope %d others, extra_data %d", len(got), got["envelope.(other)"], got["extra_data.(other)"])
	}
	key := []byte("k5")
	other := []byte("openplatform")
	if n := testing.AllocsPerRun(100, func() { tr.unknown.count(Envelope, key); tr.unknown.count(Envelope, other) }); n != 0 {
		t.Errorf("%v allocations for keys that are known", n)
	}
}

// BenchmarkTransformUnknown is BenchmarkTransform of an event with two keys
// that no column holds, as nearly every event of the source has.
func BenchmarkTransformUnknown(b *testing.B) {
	src := bytes.Replace(benchEvent(b), []byte(`{`), []byte(`{"openplatform":"June",`), 1)
	src = bytes.Replace(src, []byte(`"extra_data":{`), []byte(`"extra_data":{"lead_score":12,`), 1)
	benchTransform(b, src, Options{})
}
