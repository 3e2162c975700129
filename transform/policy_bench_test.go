package transform

import "testing"

// BenchmarkTransformPolicy is BenchmarkTransform under a policy: rewriting the
// event and finding its values anew.
func BenchmarkTransformPolicy(b *testing.B) {
	policy, err := NewPolicy([]Rule{
		{"mobile", Hash}, {"email", Mask}, {"name", Mask}, {"owner", Hash}, {"notes", Drop}, {"custom_*", Drop},
	}, []Key{{ID: "k1", Secret: make([]byte, MinSecret)}})
	if err != nil {
		b.Fatal(err)
	}
	benchTransform(b, benchEvent(b), Options{Policy: policy})
}
