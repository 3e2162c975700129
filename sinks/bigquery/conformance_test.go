package bigquery

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// TestConformance holds the sink to its contract against a service in order.
// It catches every column that does not arrive as it was written, too.
func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		server, c := start(t)
		return harness(t, server, c)
	})
}

// TestConformanceFaulty does the same against a service that keeps failing:
// every few appends end in an error, with the rows written or not, or take the
// connection with them. It catches a lost row, and a row error that names the
// wrong row after a retry.
func TestConformanceFaulty(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		server, c := start(t)
		failing(server)
		h := harness(t, server, c)
		h.Copies = true
		return h
	})
}

// failing makes every third append fail, each time in another way; more are
// ways besides those that every append knows.
func failing(server *bqtest.Server, more ...*bqtest.Fault) {
	faults := append([]*bqtest.Fault{
		{Code: codes.Unavailable},
		{Code: codes.Unavailable, Written: true},
		{Code: codes.Internal, Reset: true},
		{Code: codes.ResourceExhausted},
		{Reset: true, Written: true},
		{Code: codes.Aborted},
		{Delay: 3 * time.Millisecond},
		{Code: codes.DeadlineExceeded, Reset: true, Written: true},
	}, more...)
	n := 0
	server.Fault(func(*bqtest.Append) *bqtest.Fault {
		if n++; n%3 != 0 {
			return nil
		}
		return faults[n/3%len(faults)]
	})
}

func harness(t *testing.T, server *bqtest.Server, c Config) sinktest.Harness {
	patient := quick // what is mended at once is no reason to be not ready
	patient.patience = time.Minute
	c.pacing = &patient
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return sinktest.Harness{Sink: s, Rows: func(_ testing.TB, id transform.TableID) [][]any {
		return values(server, id)
	}}
}
