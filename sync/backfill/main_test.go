package backfill

import (
	"testing"

	"go.uber.org/goleak"
)

// The library of Cloud Storage keeps a goroutine for its own counts.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}
