package pulltest

import (
	"testing"

	"go.uber.org/goleak"
)

// Catches goroutines that outlive what started them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"), // runs from the start of the process
		// The vendor's client leaves this behind, waiting for a ticker.
		goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}
