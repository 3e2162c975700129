package pulltest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestFailPulls catches streams that outlive the fault, that come through
// while it lasts, and that end with another status.
func TestFailPulls(t *testing.T) {
	s := New(t, name)
	c := raw(t, s)
	recv := func(stream pubsubpb.Subscriber_StreamingPullClient) error {
		_, err := stream.Recv()
		return err
	}
	stream := open(t, c, 0, 0)
	eventually(t, "open", func() bool { return s.Stats().Streams == 1 })
	s.FailPulls(status.Error(codes.PermissionDenied, "not allowed"))
	if err := recv(stream); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the open stream ends with %v", err)
	}
	if err := recv(open(t, c, 0, 0)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a new stream ends with %v", err)
	}
	if _, err := pull(t.Context(), c, 1); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a unary pull fails with %v", err)
	}
	s.FailPulls(errors.New("no status"))
	if err := recv(open(t, c, 0, 0)); status.Code(err) != codes.Unknown {
		t.Errorf("a new stream ends with %v", err)
	}
	s.FailPulls(nil)
	publish(s, 1)
	stream = open(t, c, 0, 0)
	take(t, stream, 1)
	s.ResetStreams(status.Error(codes.Unavailable, "try again"))
	if err := recv(stream); status.Code(err) != codes.Unavailable {
		t.Errorf("a reset stream ends with %v", err)
	}
	stream = open(t, c, 0, 0)
	take(t, stream, 0)
	s.ResetStreams(nil)
	if err := recv(stream); !errors.Is(err, io.EOF) {
		t.Errorf("a stream that ends well ends with %v", err)
	}
}

// TestSilence catches silent streams that bring something, that do not answer
// pings, and ones that stay silent after it.
func TestSilence(t *testing.T) {
	s := New(t, name)
	c := raw(t, s)
	s.Silence(true)
	publish(s, 3)
	stream := open(t, c, 0, 0)
	ping := func() {
		if err := stream.Send(&pubsubpb.StreamingPullRequest{}); err != nil {
			t.Fatal(err)
		}
		if r, err := stream.Recv(); err != nil || len(r.GetReceivedMessages()) > 0 {
			t.Errorf("a ping is answered with %v, %v", r, err)
		}
	}
	ping()
	if got, err := pull(t.Context(), c, 1); err != nil || len(got) != 1 {
		t.Errorf("a unary pull brings %v, %v", got, err)
	}
	s.Silence(false)
	take(t, stream, 2)

	s.Stall()
	publish(s, 3)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	take(t, open(t, c, 0, 0), 3)
	ended := make(chan error, 1)
	go func() {
		_, err := stream.Recv()
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("a stalled stream ends with %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.Down(true) // else it would outlive the test
	if err := <-ended; err == nil {
		t.Error("a stalled stream brings something")
	}
}

// TestHang catches answers of a server that hangs, and calls that it has
// forgotten when it goes on.
func TestHang(t *testing.T) {
	s := New(t, name)
	c := raw(t, s)
	publish(s, 2)
	stream := open(t, c, 0, 0)
	ids := take(t, stream, 2)
	s.Hang(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	acks := &pubsubpb.AcknowledgeRequest{Subscription: name, AckIds: ids}
	if err := c.Acknowledge(ctx, acks); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("acknowledge returns %v", err)
	}
	publish(s, 1)
	waiting := open(t, c, 0, 0) // its message comes when the server goes on
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := stream.Recv()
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("the open stream brought something, or ended with %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if got := s.Stats(); got.Unacked != 3 || got.Deliveries != 2 || got.Streams != 1 {
		t.Errorf("accounts %+v", got)
	}
	s.Hang(false)
	if err := c.Acknowledge(t.Context(), acks); err != nil {
		t.Error(err)
	}
	t.Log(<-ended) // the message came, or it ended as it was closed
	if err := waiting.CloseSend(); err != nil {
		t.Error(err)
	}
	eventually(t, "the message delivered", func() bool { return s.Stats().Deliveries == 3 && s.Stats().Streams == 2 })
}

// TestDown catches a server that can be reached although it is down, and one
// that stays down. The vendor's client has to come back by itself.
func TestDown(t *testing.T) {
	s := New(t, name)
	c := raw(t, s)
	if _, err := pull(t.Context(), c, 1); err != nil {
		t.Fatal(err)
	}
	s.Down(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := pull(ctx, c, 1); err == nil {
		t.Error("a call comes through")
	}
	s.Down(false)
	publish(s, 10)
	receive(t, s, pubsub.ReceiveSettings{}, func(m *pubsub.Message) { m.Ack() })
	wait(t, s)
}

// TestFailAcks catches acknowledgements that count although they were refused.
func TestFailAcks(t *testing.T) {
	s := New(t, name)
	c := raw(t, s)
	publish(s, 1)
	got, err := pull(t.Context(), c, 1)
	if err != nil {
		t.Fatal(err)
	}
	acks := &pubsubpb.AcknowledgeRequest{Subscription: name, AckIds: []string{got[0].GetAckId()}}
	s.FailAcks(status.Error(codes.PermissionDenied, "not allowed"))
	if err := c.Acknowledge(t.Context(), acks); status.Code(err) != codes.PermissionDenied || s.Stats().Acks != 0 {
		t.Errorf("%v, %+v", err, s.Stats())
	}
	s.FailAcks(nil)
	if err := c.Acknowledge(t.Context(), acks); err != nil || s.Stats().Acks != 1 {
		t.Errorf("%v, %+v", err, s.Stats())
	}
}

// TestWait catches a wait that does not end with its context, and a Done that
// is closed before anything was published.
func TestWait(t *testing.T) {
	s := New(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
