package main

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// verified runs the tests and catches goroutines that outlive them.
// (goleak's own TestMain ends the process before the commands that the scripts
// run are cleared away.)
type verified struct{ m *testing.M }

func (v verified) Run() int {
	status := v.m.Run()
	if status != 0 {
		return status
	}
	http.DefaultClient.CloseIdleConnections()
	err := goleak.Find(
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"), // runs from the start of the process
		// The vendor's clients leave these behind: the first waits for a ticker
		// that was stopped, the second waits 20 s before it ends a connection.
		goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
		goleak.IgnoreAnyFunction("cloud.google.com/go/bigquery/storage/managedwriter.(*connection).getStream.func1"),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "after all tests:", err)
		return 1
	}
	return 0
}
