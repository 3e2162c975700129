package topic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"leadsync/transform"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

const name = "projects/acme/topics/dead-letters"

// quick makes failures pass in milliseconds.
var quick = pacing{request: 50 * time.Millisecond, first: time.Millisecond, most: 5 * time.Millisecond}

// serve starts a Pub/Sub that has no topic yet and opens ours there.
func serve(t *testing.T, opts ...pstest.ServerReactorOption) (*pstest.Server, *Topic) {
	t.Helper()
	server := pstest.NewServer(opts...)
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv("PUBSUB_EMULATOR_HOST", server.Addr)
	return server, open(t, quick)
}

func open(t *testing.T, p pacing) *Topic {
	t.Helper()
	topic, err := Open(context.WithoutCancel(t.Context()), Config{Project: "acme", Topic: "dead-letters", pacing: &p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := topic.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return topic
}

func create(t *testing.T, server *pstest.Server) {
	t.Helper()
	if _, err := server.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: name}); err != nil {
		t.Fatal(err)
	}
}

// letter appends a dead letter to rows.
func letter(rows *transform.Rows, payload []byte, attributes map[string]string) {
	rows.AppendDeadLetter(transform.DeadLetter{
		Rejection: &transform.Rejection{Reason: transform.JSONInvalid, Stage: transform.StageDecode, Cause: "not JSON", Detail: "at byte 3"},
		Payload:   payload, Attributes: attributes, MessageID: "m1", DeadAt: time.Now(), WorkerVersion: "v",
	})
}

// A letter must come with everything that it says, and as Pub/Sub takes it.
// Catches an attribute that is missing, one over which Pub/Sub would refuse
// the message for good, and a payload that is changed.
func TestPublish(t *testing.T) {
	server, topic := serve(t)
	create(t, server)
	many := map[string]string{"leadsync_reason": "mine", "": "x", strings.Repeat("n", 257): "x", "a": strings.Repeat("é", 600)}
	for i := range 120 {
		many[fmt.Sprintf("b%03d", i)] = "v"
	}
	var rows transform.Rows
	letter(&rows, []byte("{\"a\xff"), nil)
	letter(&rows, nil, map[string]string{"origin": "webhook", "googclient_schema": "x"})
	letter(&rows, []byte("[]"), many)
	if err := topic.Publish(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	got := server.Messages()
	if len(got) != 3 {
		t.Fatalf("%d messages, want 3", len(got))
	}
	if !bytes.Equal(got[0].Data, []byte("{\"a\xff")) || len(got[1].Data) != 0 {
		t.Errorf("payloads %q and %q", got[0].Data, got[1].Data)
	}
	id := got[1].Attributes["leadsync_dead_letter_id"]
	want := map[string]string{
		"origin": "webhook", "leadsync_reason": "json_invalid", "leadsync_stage": "decode",
		"leadsync_error": "json_invalid: not JSON at byte 3", "leadsync_dead_letter_id": id,
		"leadsync_fingerprint": got[0].Attributes["leadsync_fingerprint"],
	}
	if diff := cmp.Diff(want, got[1].Attributes); diff != "" || len(id) != 32 || len(want["leadsync_fingerprint"]) != 16 {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	attributes := got[2].Attributes
	if len(attributes) != 100 || attributes["leadsync_reason"] != "json_invalid" || attributes["a"] != strings.Repeat("é", 512) || attributes["b093"] != "v" {
		t.Errorf("%d attributes: %v", len(attributes), attributes)
	}
	for name := range attributes {
		if len(name) > 256 || name == "" {
			t.Errorf("attribute %q", name)
		}
	}
}

// Many letters, large ones, and one that fills several rows. Catches a request
// above what Pub/Sub takes, and a letter that is left out between two.
func TestRequests(t *testing.T) {
	var rows transform.Rows
	letter(&rows, bytes.Repeat([]byte("x"), 9<<20), nil)
	for i := range 2500 {
		letter(&rows, fmt.Appendf(nil, "{%d", i), nil)
	}
	for range 5 {
		letter(&rows, bytes.Repeat([]byte("y"), 400<<10), nil)
	}
	var all []*pubsubpb.PubsubMessage
	for next := 0; next < rows.Len(transform.DeadLetters); {
		messages, after, err := request(&rows, next)
		if err != nil {
			t.Fatal(err)
		}
		size := proto.Size(&pubsubpb.PublishRequest{Topic: name, Messages: messages})
		if len(messages) != after-next || len(messages) == 0 || len(messages) > 1000 || size > 10e6 || len(messages) > 1 && size > 2<<20 {
			t.Fatalf("a request of %d messages and %d bytes", len(messages), size)
		}
		all, next = append(all, messages...), after
	}
	if len(all) != rows.Len(transform.DeadLetters) || len(all) != 2508 {
		t.Fatalf("%d messages of %d rows, want 2508", len(all), rows.Len(transform.DeadLetters))
	}
	for i, want := range []string{"1/3", "2/3", "3/3", ""} {
		if got := all[i].Attributes["leadsync_part"]; got != want {
			t.Errorf("part %q, want %q", got, want)
		}
	}
	for i := range 2500 {
		if got, want := string(all[3+i].Data), fmt.Sprintf("{%d", i); got != want {
			t.Fatalf("letter %d is %q", i, got)
		}
	}
}

// A topic that is not there yet, and one that fails now and then. Catches a
// letter that is dropped or published twice, and a cause that nobody is told.
func TestHeld(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		server, topic := serve(t)
		var rows transform.Rows
		letter(&rows, []byte("{"), nil)
		done := make(chan error, 1)
		go func() { done <- topic.Publish(t.Context(), &rows) }()
		wait(t, func() bool { return topic.Ready() != nil })
		if err := topic.Ready(); !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "DEAD_LETTER_TOPIC") || !strings.Contains(err.Error(), "NotFound") {
			t.Errorf("not ready: %v", err)
		}
		create(t, server)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := topic.Ready(); err != nil || len(server.Messages()) != 1 {
			t.Errorf("%d messages, ready: %v", len(server.Messages()), err)
		}
	})
	t.Run("denied, then cut off", func(t *testing.T) {
		server, topic := serve(t, pstest.WithErrorInjection("Publish", codes.PermissionDenied, "no"))
		create(t, server)
		var rows transform.Rows
		letter(&rows, []byte("{"), nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- topic.Publish(ctx, &rows) }()
		wait(t, func() bool { return topic.Ready() != nil })
		ended := errors.New("the drain ended")
		cancel(ended)
		if err := <-done; !errors.Is(err, ended) || !strings.Contains(err.Error(), "PermissionDenied") {
			t.Errorf("error %v, want the end and the cause", err)
		}
	})
}

// A server that takes everything and answers nothing. Catches a publish
// without a deadline of its own, and one that does not end with its context.
func TestNoAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	t.Setenv("PUBSUB_EMULATOR_HOST", silent.Addr().String())
	topic := open(t, quick)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var rows transform.Rows
	letter(&rows, []byte("{"), nil)
	done := make(chan error, 1)
	go func() { done <- topic.Publish(ctx, &rows) }()
	wait(t, func() bool { return topic.Ready() != nil })
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("published to nobody")
		}
	case <-time.After(10 * time.Second):
		t.Error("publish goes on after its context")
	}
}

func wait(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 30 s")
		}
	}
}
