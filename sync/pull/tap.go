package pull

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
)

// A tap is a stream that the line listens in on.
type tap struct {
	grpc.ClientStream

	line     *line
	outer    context.Context //nolint:containedctx // that the library opened the stream with
	cancel   context.CancelFunc
	opened   time.Time
	works    atomic.Bool // it has brought something
	recycled atomic.Bool
	sending  sync.Mutex // closing and sending exclude each other
}

// SendMsg implements [grpc.ClientStream].
func (t *tap) SendMsg(m any) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	return t.ClientStream.SendMsg(m)
}

// CloseSend implements [grpc.ClientStream].
func (t *tap) CloseSend() error {
	t.sending.Lock()
	defer t.sending.Unlock()
	return t.ClientStream.CloseSend()
}

// RecvMsg implements [grpc.ClientStream].
func (t *tap) RecvMsg(m any) error {
	err := t.ClientStream.RecvMsg(m)
	if err == nil {
		t.works.Store(true)
		t.line.stamp(&t.line.heard)
		if r, ok := m.(*pubsubpb.StreamingPullResponse); ok && len(r.GetReceivedMessages()) > 0 {
			t.line.stamp(&t.line.brought)
		}
		return nil
	}
	if t.recycled.Load() {
		err = io.EOF // which has the library open another
	} else if !errors.Is(err, io.EOF) && t.outer.Err() == nil {
		t.line.mu.Lock()
		t.line.stream.note(err, time.Now())
		t.line.mu.Unlock()
	}
	t.cancel()
	return err
}
