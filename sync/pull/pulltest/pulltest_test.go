package pulltest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const name = "projects/acme/subscriptions/leads"

func newClient(t *testing.T, s *Server) *pubsub.Client {
	t.Helper()
	client, err := pubsub.NewClient(context.WithoutCancel(t.Context()), "acme",
		option.WithEndpoint(s.Addr()), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// receive runs the vendor's client until the test ends or stop is called.
func receive(t *testing.T, s *Server, settings pubsub.ReceiveSettings, f func(*pubsub.Message)) (stop func()) {
	t.Helper()
	client := newClient(t, s)
	subscriber := client.Subscriber(name)
	subscriber.ReceiveSettings = settings
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := subscriber.Receive(ctx, func(_ context.Context, m *pubsub.Message) { f(m) }); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// wait waits until all is acknowledged.
func wait(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatalf("%v; %+v", err, s.Stats())
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func publish(s *Server, n int) []string {
	var msgs []Message
	for i := range n {
		msgs = append(msgs, Message{Data: fmt.Append(nil, i), Attributes: map[string]string{"n": fmt.Sprint(i)}})
	}
	return s.Publish(msgs...)
}

// TestBacklog lets the vendor's client receive a backlog. It catches a server
// that the client does not understand, that loses, doubles or changes
// messages, or whose accounts are wrong.
func TestBacklog(t *testing.T) {
	const n = 20_000
	s := New(t, name)
	s.PublishFunc(n, func(i int) []byte { return fmt.Appendf(nil, "message %d", i) })
	extra := s.Publish(Message{Data: []byte("last"), Attributes: map[string]string{"a": "b"}, PublishedAt: time.Unix(1e9, 0)})
	var mu sync.Mutex
	seen := map[string]*pubsub.Message{}
	stop := receive(t, s, pubsub.ReceiveSettings{MaxOutstandingMessages: 2000, NumGoroutines: 2}, func(m *pubsub.Message) {
		mu.Lock()
		defer mu.Unlock()
		if seen[string(m.Data)] != nil {
			t.Errorf("%s came twice", m.Data)
		}
		seen[string(m.Data)] = m
		m.Ack()
	})
	wait(t, s)
	stop()
	last := seen["last"]
	if len(seen) != n+1 || seen["message 19999"] == nil || last == nil || last.ID != extra[0] ||
		last.Attributes["a"] != "b" || !last.PublishTime.Equal(time.Unix(1e9, 0)) || *last.DeliveryAttempt != 1 {
		t.Errorf("%d messages, the last %+v", len(seen), last)
	}
	stats := s.Stats()
	took := stats.Last.Sub(stats.First)
	want := Stats{Messages: n + 1, Deliveries: n + 1, Acks: n + 1, MaxAttempt: 1, Streams: 2, First: stats.First, Last: stats.Last}
	if stats != want || took <= 0 {
		t.Errorf("accounts %+v", stats)
	}
	i := 0
	s.Each(func(r Record) {
		if i++; r.ID != fmt.Sprint(i) || r.Deliveries != 1 || r.Acks != 1 || r.Nacks != 0 || r.Attempt != 1 || r.AckedAfter <= 0 || r.AckedAfter > took {
			t.Fatalf("record %d: %+v", i, r)
		}
	})
}

// TestNack catches a server that does not deliver again what was nacked, and
// accounts that do not show it.
func TestNack(t *testing.T) {
	s := New(t, name)
	publish(s, 100)
	receive(t, s, pubsub.ReceiveSettings{MaxOutstandingMessages: 10}, func(m *pubsub.Message) {
		if *m.DeliveryAttempt == 1 {
			m.Nack()
		} else {
			m.Ack()
		}
	})
	wait(t, s)
	if got := s.Stats(); got.Nacks != 100 || got.Deliveries != 200 || got.Redelivered != 100 || got.RedeliveredAcked != 0 || got.MaxAttempt != 2 {
		t.Errorf("accounts %+v", got)
	}
}

// TestLease catches a lease that never ends, and one that ends although the
// client extends it.
func TestLease(t *testing.T) {
	t.Parallel()
	s := New(t, name)
	s.Lease(6 * time.Second)
	ids := publish(s, 2)
	release := make(chan struct{})
	begun := time.Now()
	receive(t, s, pubsub.ReceiveSettings{MaxOutstandingMessages: 10}, func(m *pubsub.Message) {
		if m.ID == ids[0] {
			<-release // the client extends what is being worked on
		}
		m.Ack()
	})
	// The client believes that this one is done and extends it no longer.
	s.DropAcks(func(id string) bool { return id == ids[1] && time.Since(begun) < 3*time.Second })
	time.Sleep(8 * time.Second)
	close(release)
	wait(t, s)
	var records []Record
	s.Each(func(r Record) { records = append(records, r) })
	if r := records[0]; r.Attempt != 1 || r.Deliveries != 1 || r.AckedAfter < 7*time.Second {
		t.Errorf("extended: %+v", r)
	}
	if r := records[1]; r.Attempt != 2 || r.Deliveries != 2 || r.Acks != 1 || r.AckedAfter < 5*time.Second {
		t.Errorf("acknowledgement lost: %+v", r)
	}
}

// TestDropAcks catches lost acknowledgements that count, and copies of them
// that are taken for deliveries of what was acknowledged.
func TestDropAcks(t *testing.T) {
	s := New(t, name)
	s.Lease(200 * time.Millisecond)
	publish(s, 50)
	s.DropAcks(func(string) bool { return true })
	receive(t, s, pubsub.ReceiveSettings{}, func(m *pubsub.Message) { m.Ack() })
	eventually(t, "all delivered three times", func() bool {
		least := 3
		s.Each(func(r Record) { least = min(least, r.Deliveries) })
		return least == 3
	})
	if got := s.Stats(); got.Unacked != 50 || got.Acks != 0 {
		t.Errorf("accounts %+v", got)
	}
	s.DropAcks(nil)
	wait(t, s)
	if got := s.Stats(); got.Redelivered < 100 || got.MaxAttempt < 3 || got.Acks < 50 {
		t.Errorf("accounts %+v", got)
	}
}

// TestLeftBehind catches messages that stay with a client whose connection is
// gone, and ones that are taken from a client that lost nothing but a stream.
func TestLeftBehind(t *testing.T) {
	s := New(t, name)
	publish(s, 30)
	release := make(chan struct{})
	stop := receive(t, s, pubsub.ReceiveSettings{}, func(m *pubsub.Message) {
		<-release
		m.Ack()
	})
	eventually(t, "all delivered", func() bool { return s.Stats().Deliveries == 30 })
	s.ResetStreams(nil)
	eventually(t, "another stream", func() bool { return s.Stats().Streams == 2 })
	time.Sleep(100 * time.Millisecond)
	if got := s.Stats(); got.Deliveries != 30 {
		t.Errorf("delivered again after a stream was reset: %+v", got)
	}
	s.Down(true)
	s.Down(false)
	eventually(t, "all delivered again", func() bool { return s.Stats().Redelivered == 30 })
	close(release)
	wait(t, s)
	stop()
	if got := s.Stats(); got.MaxAttempt != 2 || got.Nacks != 0 {
		t.Errorf("accounts %+v", got)
	}
}

// TestStorm catches a storm that leaves messages out or has no end, and a Done
// that does not wait for it.
func TestStorm(t *testing.T) {
	s := New(t, name)
	publish(s, 40)
	receive(t, s, pubsub.ReceiveSettings{}, func(m *pubsub.Message) { m.Ack() })
	wait(t, s)
	s.Storm(3)
	publish(s, 60)
	wait(t, s)
	if got := s.Stats(); got.Deliveries != 400 || got.Redelivered != 300 || got.MaxAttempt != 1 || got.RedeliveredAcked < 120 {
		t.Errorf("accounts %+v", got)
	}
	s.Each(func(r Record) {
		if r.Deliveries != 4 || r.Acks != 4 {
			t.Errorf("%+v", r)
		}
	})
	s.Storm(0)
	before := s.Stats().Deliveries
	publish(s, 10)
	wait(t, s)
	if got := s.Stats().Deliveries - before; got != 10 {
		t.Errorf("%d deliveries after the storm", got)
	}
}
