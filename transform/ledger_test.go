package transform

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A batch's tallies must come back from its row as they were, the unknown day
// and type as NULL. Catches a nested column in another order than its
// definition.
func TestTallies(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		tallies []Tally
		want    any
	}{
		"none": {nil, nil},
		"two": {
			[]Tally{{Day: day, EventType: "object_create", Written: 7, Duplicates: 1, Filtered: 2}, {Dead: 3}},
			[][]any{{day, "object_create", int64(7), int64(1), int64(0), int64(2)}, {nil, nil, int64(0), int64(0), int64(3), int64(0)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var rows Rows
			rows.AppendBatch(Batch{ID: "b", WorkerID: "w", Source: "push", StartedAt: day, CommittedAt: day, Tallies: test.tallies})
			values, err := SyncBatches.Table().Values(nil, rows.Row(SyncBatches, 0))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, values[len(values)-1]); diff != "" {
				t.Errorf("tallies (-want +got):\n%s", diff)
			}
		})
	}
}
