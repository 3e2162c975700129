package exports_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"leadsync/transform"
)

// All tests run with promoted fields: a key of the envelope, one of extra_data.
func TestMain(m *testing.M) {
	if err := transform.Promote("envelope.trace_id", "score_model"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m) // goroutines that outlive what started them
}
