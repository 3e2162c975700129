package pull

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"leadsync/sinks/sinktest"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

const topic = "projects/acme/topics/leads"

// serve starts a Pub/Sub with one topic and the subscription "leads" and sends
// the library's clients there.
func serve(t *testing.T) *pstest.Server {
	t.Helper()
	server := begin(t)
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func begin(t *testing.T) *pstest.Server {
	t.Helper()
	server := pstest.NewServer()
	t.Setenv("PUBSUB_EMULATOR_HOST", server.Addr)
	createAll(t, server)
	return server
}

func createAll(t *testing.T, server *pstest.Server) {
	t.Helper()
	if _, err := server.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.GServer.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: "projects/acme/subscriptions/leads", Topic: topic, AckDeadlineSeconds: 10,
	}); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, subscription string) *Source {
	t.Helper()
	s, err := Open(context.WithoutCancel(t.Context()), Config{
		Project: "acme", Subscription: subscription, MaxOutstandingMessages: 1000, MaxOutstandingBytes: 1 << 20, Streams: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func event(i int) []byte {
	return fmt.Appendf(nil, `{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"entity_id":"e%d"}}`, time.Now().Unix(), i)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("not in time: %s", what)
			return
		}
	}
}

// Messages must be acknowledged, with what Pub/Sub knows of them in their
// rows, and none before its rows are durable.
func TestAcksWhatIsDurable(t *testing.T) {
	server := serve(t)
	ids := map[string]bool{}
	for i := range 100 {
		ids[server.Publish(topic, event(i), map[string]string{"a": "b"})] = true
	}
	poison := server.Publish(topic, []byte("{"), map[string]string{"a": "b"})
	memory := sinktest.NewMemory(t)
	release := make(chan struct{})
	faulty := sinktest.NewFaulty(t, memory)
	faulty.Else = sinktest.Hold(release)
	worker := pipeline.New(pipeline.Config{Sink: faulty, IngestSource: "pubsub", WorkerID: "w", MaxRows: 10, MaxDelay: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	source := open(t, "projects/acme/subscriptions/leads")
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx, source); err != nil {
			t.Error(err)
		}
	})
	acks := func() (n int) {
		for _, m := range server.Messages() {
			n += m.Acks
		}
		return n
	}
	eventually(t, "batches on their way", func() bool { return faulty.Begun() >= 3 })
	time.Sleep(250 * time.Millisecond) // the library sends acks every 100 ms
	if n := acks(); n > 0 {
		t.Errorf("%d messages acknowledged before their rows were durable", n)
	}
	close(release)
	eventually(t, "all acknowledged", func() bool { return acks() == 101 })
	cancel()
	running.Wait()

	for i, id := range memory.Column(transform.EventsLog, "message_id") {
		if !ids[id.(string)] {
			t.Errorf("message id %v", id)
		}
		if at, ok := memory.Column(transform.EventsLog, "published_at")[i].(time.Time); !ok || time.Since(at) > time.Hour {
			t.Errorf("published at %v", at)
		}
	}
	letters := memory.Rows(transform.DeadLetters)
	if len(letters) != 1 || letters[0][7] != poison || letters[0][6] != `{"a":"b"}` {
		t.Errorf("dead letters %v", letters)
	}
}

// When the drain has run out of time, what is not durable must be nacked, and
// Run must return after that with nothing left hanging.
func TestGivesBackAtTheEnd(t *testing.T) {
	server := serve(t)
	for i := range 20 {
		server.Publish(topic, event(i), nil)
	}
	faulty := sinktest.NewFaulty(t, sinktest.NewMemory(t))
	faulty.Else = sinktest.Hold(nil)
	worker := pipeline.New(pipeline.Config{
		Sink: faulty, IngestSource: "pubsub", WorkerID: "w", MaxRows: 5, MaxDelay: time.Millisecond, DrainTimeout: 200 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	source := open(t, "leads")
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx, source); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "all taken", func() bool { return worker.Outstanding() == 20 })
	begun := time.Now()
	cancel()
	running.Wait()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("ended after %v", took)
	}
	nacked := 0
	for _, m := range server.Messages() {
		if m.Acks > 0 {
			t.Errorf("message %s was acknowledged", m.ID)
		}
		// One that is delivered again at once is given back again.
		if slices.ContainsFunc(m.Modacks, func(mod pstest.Modack) bool { return mod.AckDeadline == 0 }) {
			nacked++
		}
	}
	if nacked != 20 {
		t.Errorf("%d of 20 messages given back", nacked)
	}
}

// A subscription that does not exist must end the worker at its start with an
// error that names it, not leave it waiting.
func TestNoSubscription(t *testing.T) {
	serve(t)
	err := open(t, "other").Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "subscription other") {
		t.Errorf("error %v", err)
	}
}

// A subscription that goes away later must not end the worker: it must say so,
// and go on once the subscription is there again. Catches a worker that stands
// still until someone restarts it.
func TestPullsAgain(t *testing.T) {
	server := begin(t)
	source := open(t, "leads")
	memory := sinktest.NewMemory(t)
	worker := pipeline.New(pipeline.Config{Sink: memory, IngestSource: "pubsub", WorkerID: "w", MaxDelay: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx, source); err != nil {
			t.Error(err)
		}
	})
	written := func(n int) func() bool {
		return func() bool { return len(memory.Rows(transform.EventsLog)) == n }
	}
	server.Publish(topic, event(1), nil)
	eventually(t, "written", written(1))
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	server = pstest.NewServerWithPort(number) // without the subscription
	t.Cleanup(func() { _ = server.Close() })
	eventually(t, "not ready", func() bool { return source.Ready() != nil })
	createAll(t, server)
	server.Publish(topic, event(2), nil)
	eventually(t, "written after the interruption", written(2))
	eventually(t, "ready", func() bool { return source.Ready() == nil })
	cancel()
	running.Wait()
}
