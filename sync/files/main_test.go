package files

import (
	"testing"

	"go.uber.org/goleak"
)

// Catches goroutines that outlive what started them; one of a library of the
// server in the tests is there from the beginning.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}
