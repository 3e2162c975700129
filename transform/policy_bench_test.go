package transform

import "testing"

// BenchmarkTransformPolicy is BenchmarkTransform under a policy: rewriting the
// event and finding its values anew.
func BenchmarkTransformPolicy(b *testing.B) {
	src := benchEvent(b)
	policy, err := NewPolicy([]Rule{
		{"mobile", Hash}, {"email", Mask}, {"name", Mask}, {"owner", Hash}, {"notes", Drop}, {"custom_*", Drop},
	}, []Key{{ID: "k1", Secret: make([]byte, MinSecret)}})
	if err != nil {
		b.Fatal(err)
	}
	tr := New(Options{Policy: policy})
	var rows Rows
	d := Delivery{MessageID: "1234567890123456", PublishedAt: now, IngestedAt: now, Source: "pubsub"}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		rows.Reset()
		if _, err := tr.Transform(&rows, src, d); err != nil {
			b.Fatal(err)
		}
	}
}
