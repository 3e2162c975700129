package pull

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sinks/sinktest"
	"leadsync/sync/pipeline"
	"leadsync/sync/pull/pulltest"
	"leadsync/transform"
)

const leads = "projects/acme/subscriptions/leads"

// rig is a worker on a subscription that misbehaves on demand.
type rig struct {
	*testing.T

	server *pulltest.Server
	source *Source
	worker *pipeline.Pipeline
	memory *sinktest.Memory
	sent   int
	stop   func()
}

// The library reads the address of the server from the environment, when a
// client is opened: one after the other, since tests run in parallel.
var opening sync.Mutex

func newRig(t *testing.T, watchdog time.Duration, script ...sinktest.Fault) *rig {
	t.Helper()
	r := &rig{T: t, server: pulltest.New(t, leads), memory: sinktest.NewMemory(t)}
	r.source = openAt(t, r.server, watchdog)
	r.worker = pipeline.New(pipeline.Config{Sink: sinktest.NewFaulty(t, r.memory, script...), IngestSource: "pubsub", WorkerID: "w", MaxRows: 50, MaxDelay: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.worker.Run(ctx, r.source); err != nil {
			t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := r.source.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func openAt(t *testing.T, server *pulltest.Server, watchdog time.Duration) *Source {
	t.Helper()
	opening.Lock()
	defer opening.Unlock()
	if err := os.Setenv("PUBSUB_EMULATOR_HOST", server.Addr()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Unsetenv("PUBSUB_EMULATOR_HOST") }()
	s, err := Open(context.WithoutCancel(t.Context()), Config{
		Project: "acme", Subscription: leads, MaxOutstandingMessages: 1000, MaxOutstandingBytes: 1 << 20,
		Watchdog: watchdog, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// publish publishes n events.
func (r *rig) publish(n int) {
	var msgs []pulltest.Message
	for range n {
		r.sent++
		msgs = append(msgs, pulltest.Message{Data: event(r.sent)})
	}
	r.server.Publish(msgs...)
}

// settled waits until all is acknowledged and checks that each event has one
// row and cost one delivery.
func (r *rig) settled() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Minute) // after an outage the library pauses for up to a minute
	defer cancel()
	if err := r.server.Wait(ctx); err != nil {
		r.Fatalf("%v; ready: %v, alive: %v, %+v", err, r.source.Ready(), r.source.Alive(), r.server.Stats())
	}
	got := r.server.Stats()
	if got.MaxAttempt != 1 || got.Redelivered != 0 || got.Nacks != 0 {
		r.Errorf("accounts %+v", got)
	}
	if rows := len(r.memory.Rows(transform.EventsLog)); rows != r.sent {
		r.Errorf("%d rows for %d events", rows, r.sent)
	}
}

// red waits until the source is not ready and checks that it took at most 10 s
// and that the cause has these words.
func (r *rig) red(words ...string) {
	r.Helper()
	begun := time.Now()
	eventually(r.T, "not ready", func() bool { return r.source.Ready() != nil })
	err := r.source.Ready()
	if took := time.Since(begun); took > 10*time.Second || err == nil {
		r.Errorf("not ready after %v: %v", took, err)
	} else {
		r.Logf("not ready after %v: %v", took, err)
	}
	for _, w := range append(words, leads) {
		if err != nil && !strings.Contains(err.Error(), w) {
			r.Errorf("%q is not in the cause: %v", w, err)
		}
	}
	if err := r.source.Alive(); err != nil {
		r.Errorf("a restart is asked for: %v", err)
	}
}

func (r *rig) green() {
	r.Helper()
	begun := time.Now()
	eventually(r.T, "ready", func() bool { return r.source.Ready() == nil })
	r.Logf("ready again after %v", time.Since(begun))
}

// Whatever keeps Pub/Sub from answering, the source must say so within 10 s,
// with what mends it, take nothing twice, and go on by itself.
func TestReadiness(t *testing.T) {
	t.Parallel()
	refuse := func(code codes.Code) func(*pulltest.Server, bool) {
		return func(s *pulltest.Server, on bool) {
			if on {
				s.FailPulls(status.Error(code, "as the test wants"))
			} else {
				s.FailPulls(nil)
			}
		}
	}
	acks := func(s *pulltest.Server, on bool) {
		if on {
			s.FailAcks(status.Error(codes.PermissionDenied, "as the test wants"))
		} else {
			s.FailAcks(nil)
		}
	}
	for name, test := range map[string]struct {
		fault func(*pulltest.Server, bool)
		words []string
	}{
		"down":                {(*pulltest.Server).Down, []string{"Unavailable", "PUBSUB_EMULATOR_HOST"}},
		"hang":                {(*pulltest.Server).Hang, []string{"DeadlineExceeded", "no answer", "network"}},
		"unavailable":         {refuse(codes.Unavailable), []string{"Unavailable", "network"}},
		"internal":            {refuse(codes.Internal), []string{"Internal", "pass by itself"}},
		"aborted":             {refuse(codes.Aborted), []string{"Aborted"}},
		"deadline exceeded":   {refuse(codes.DeadlineExceeded), []string{"DeadlineExceeded"}},
		"unknown":             {refuse(codes.Unknown), []string{"Unknown"}},
		"unimplemented":       {refuse(codes.Unimplemented), []string{"Unimplemented"}},
		"canceled":            {refuse(codes.Canceled), []string{"Canceled"}},
		"data loss":           {refuse(codes.DataLoss), []string{"DataLoss"}},
		"resource exhausted":  {refuse(codes.ResourceExhausted), []string{"ResourceExhausted", "quota"}},
		"not found":           {refuse(codes.NotFound), []string{"NotFound", "create the subscription"}},
		"permission denied":   {refuse(codes.PermissionDenied), []string{"PermissionDenied", "roles/pubsub.subscriber"}},
		"unauthenticated":     {refuse(codes.Unauthenticated), []string{"Unauthenticated", "credentials"}},
		"failed precondition": {refuse(codes.FailedPrecondition), []string{"FailedPrecondition", "neither push nor export"}},
		"invalid argument":    {refuse(codes.InvalidArgument), []string{"InvalidArgument", "PUBSUB_SUBSCRIPTION"}},
		"acks refused":        {acks, []string{"PermissionDenied", "roles/pubsub.subscriber"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 0)
			r.publish(100)
			r.settled()
			r.green()
			test.fault(r.server, true)
			r.red(test.words...)
			if name != "acks refused" { // else what was acknowledged meanwhile comes again
				r.publish(100)
			}
			time.Sleep(time.Second)
			if r.source.Ready() == nil {
				t.Error("ready, while nothing has changed")
			}
			test.fault(r.server, false)
			r.green()
			r.publish(100)
			r.settled()
			r.stop()
		})
	}
}

// A source that cannot pull for what a person must mend must say so at its
// start, and end.
func TestRefusedAtTheStart(t *testing.T) {
	server := pulltest.New(t, leads)
	server.FailPulls(status.Error(codes.PermissionDenied, "as the test wants"))
	s := openAt(t, server, 0)
	defer s.Close()
	err := s.Run(t.Context(), nil)
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "roles/pubsub.subscriber") {
		t.Errorf("error %v", err)
	}
}

// The service ends streams every now and then: nobody must be told.
func TestResetIsNoOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Minute)
	r.publish(10)
	r.settled()
	for _, err := range []error{nil, status.Error(codes.Unavailable, "the stream is old")} {
		r.server.ResetStreams(err)
		for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if err := r.source.Ready(); err != nil {
				t.Fatal(err)
			}
		}
		r.publish(10)
		r.settled()
	}
	r.stop()
}

// An idle subscription must be asked for a sign of life no more than now and
// then, and one with messages never.
func TestKnocksOnlyInSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	calls := func() int { return r.server.Stats().Refused } // it is refused for want of an ack id
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r.publish(1)
	}
	if n := calls(); n != 0 {
		t.Errorf("asked %d times while messages came", n)
	}
	time.Sleep(11 * time.Second)
	if n := calls(); n < 1 || n > 2 {
		t.Errorf("asked %d times in 11 s of silence", n)
	}
	r.settled()
	r.stop()
}
