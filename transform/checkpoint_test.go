package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A checkpoint must come back from its row as it was. Catches columns in
// another order than their definition, a version that is "" where there is
// none, and a selection of everything that is NULL: it is compared with.
func TestAppendCheckpoint(t *testing.T) {
	whole := Checkpoint{
		Location: "gs://bucket/key", Version: "1700000000000000", Start: 1, End: 1 << 40, AtEnd: true, Digest: "d", Selection: "tenant=1",
		Records: 10, Written: 4, Duplicates: 3, Dead: 2, Filtered: 1, Via: "load", CommittedAt: now, WorkerID: "w", WorkerVersion: "v",
	}
	bare := Checkpoint{Location: "-", Digest: "e", Via: "append", CommittedAt: now, WorkerID: "w"}
	for name, test := range map[string]struct {
		checkpoint Checkpoint
		want       []any
	}{
		"whole": {whole, []any{
			"gs://bucket/key", "1700000000000000", int64(1), int64(1 << 40), true, "d", "tenant=1",
			int64(10), int64(4), int64(3), int64(2), int64(1), "load", now, "w", "v",
		}},
		"bare": {bare, []any{
			"-", nil, int64(0), int64(0), false, "e", "",
			int64(0), int64(0), int64(0), int64(0), int64(0), "append", now, "w", nil,
		}},
	} {
		var rows Rows
		rows.AppendCheckpoint(test.checkpoint)
		if diff := cmp.Diff(test.want, explained(&rows, BackfillCheckpoints, 0)); diff != "" || rows.Total() != 1 {
			t.Errorf("%s: %d rows (-want +got):\n%s", name, rows.Total(), diff)
		}
	}
}
