package pull

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Catches goroutines that outlive what started them.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil { // these tests wait far more than they work
		panic(err)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"), // runs from the start of the process
		// The vendor's client leaves this behind, waiting for a ticker.
		goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}
