package backfill

import (
	"bytes"
	"testing"

	"leadsync/sync/records"
)

// Catches a cut that is found otherwise before a range is read than while it
// is: what lies between the two would be lost or come twice. Lines may be
// longer than what is looked at first.
func TestCutAt(t *testing.T) {
	events := payloads(17, 60)
	long := []byte(`{"x":"` + string(bytes.Repeat([]byte("y"), headBytes*3/2)) + `"}`)
	data := bytes.Join([][]byte{lines(events), long, {'\n'}, lines(events), long, {'\n'}, long, {'\n'}, lines(events[:3])}, nil)
	path := put(t, t.TempDir(), "a.ndjson", data)
	p, err := NewPlan(t.Context(), configOf(t, path))
	if err != nil {
		t.Fatal(err)
	}
	for x := int64(0); x < int64(len(data)); x += 4999 {
		b, err := records.NewBlocks(bytes.NewReader(data[x:]), records.BlockConfig{Start: x}).Next()
		want := int64(len(data))
		if err == nil {
			want = b.Start
		}
		if got, err := p.cutAt(t.Context(), &p.Files[0], x); err != nil || got != want {
			t.Errorf("cut of %d: %d, %v; want %d", x, got, err, want)
		}
	}
}
