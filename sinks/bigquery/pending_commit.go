package bigquery

import (
	"context"
	"errors"
	"fmt"
	"time"

	storage "cloud.google.com/go/bigquery/storage/apiv1"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sinks"
)

// commitTimeouts is how many append timeouts one try of a commit may take: it
// may have terabytes to move, and one that is given up goes on at the service.
const commitTimeouts = 4

// call makes one call, on a connection of its own: one that lives waits for up
// to two minutes after an outage before it tries the network again.
func (l *lane) call(ctx context.Context, timeout time.Duration, f func(context.Context, *storage.BigQueryWriteClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := storage.NewBigQueryWriteClient(ctx, l.config.storageOptions()...)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is under way on it
	return f(ctx, client)
}

// create makes a pending stream. If the answer is lost an empty one is left,
// which expires.
func (l *lane) create(ctx context.Context) (name string, err error) {
	err = l.call(ctx, l.config.AppendTimeout, func(ctx context.Context, c *storage.BigQueryWriteClient) error {
		s, err := c.CreateWriteStream(ctx, &storagepb.CreateWriteStreamRequest{
			Parent:      l.path,
			WriteStream: &storagepb.WriteStream{Type: storagepb.WriteStream_PENDING},
		}, once())
		name = s.GetName()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create stream of %s: %w", l.table.Name, err)
	}
	return name, nil
}

// rotate ends the stream, so that nothing that is still on its way to it is
// taken any more, and settles every doubt by its number of rows. What comes
// next goes into another stream.
func (l *lane) rotate(ctx context.Context) error {
	l.disconnect()
	var count int64
	err := l.call(ctx, l.config.AppendTimeout, func(ctx context.Context, c *storage.BigQueryWriteClient) error {
		// If an answer is lost the next call is answered like the first.
		r, err := c.FinalizeWriteStream(ctx, &storagepb.FinalizeWriteStreamRequest{Name: l.name}, once())
		count = r.GetRowCount()
		return err
	})
	if err != nil {
		return fmt.Errorf("finalize stream of %s: %w", l.table.Name, err)
	}
	if err := l.resolve(count); err != nil {
		l.lose(err)
		return err
	}
	if count > 0 {
		l.done = append(l.done, l.name)
	}
	l.forget()
	return nil
}

// finish finalizes the last stream. run must have ended.
func (l *lane) finish(ctx context.Context) error {
	if l.lost != nil || l.name == "" {
		return l.lost
	}
	return l.insist(ctx, func(ctx context.Context) error {
		err := l.rotate(ctx)
		if err != nil {
			l.gone(err)
		}
		return err
	})
}

// commit gives the table the rows of all its streams at once.
func (l *lane) commit(ctx context.Context) error {
	if len(l.done) == 0 {
		return nil
	}
	return l.insist(ctx, func(ctx context.Context) error {
		err := l.call(ctx, commitTimeouts*l.config.AppendTimeout, func(ctx context.Context, c *storage.BigQueryWriteClient) error {
			r, err := c.BatchCommitWriteStreams(ctx, &storagepb.BatchCommitWriteStreamsRequest{Parent: l.path, WriteStreams: l.done}, once())
			if err != nil {
				return err
			}
			return streamError(r)
		})
		if err == nil {
			return nil
		}
		err = fmt.Errorf("commit streams of %s: %w", l.table.Name, err)
		if isLost(err) {
			l.lose(err)
		}
		return err
	})
}

// streamError returns what is wrong with the streams of a commit: the call
// itself succeeds even if the commit does not. That a stream was committed
// already tells that all were, by a try whose answer got lost: they are only
// ever committed together.
func streamError(r *storagepb.BatchCommitWriteStreamsResponse) error {
	if r.GetCommitTime() != nil && len(r.GetStreamErrors()) == 0 {
		return nil
	}
	if len(r.GetStreamErrors()) == 0 {
		return errors.New("the answer has no commit time")
	}
	for _, e := range r.GetStreamErrors() {
		if e.GetCode() == storagepb.StorageError_STREAM_ALREADY_COMMITTED {
			return nil
		}
	}
	worst := r.GetStreamErrors()[0]
	s, err := status.Newf(codes.FailedPrecondition, "stream error %v", worst.GetCode()).WithDetails(worst)
	if err != nil {
		return err
	}
	return s.Err()
}

// insist repeats what may come to pass until ctx ends or the load is lost.
func (l *lane) insist(ctx context.Context, try func(context.Context) error) error {
	w := &l.own
	defer l.calm()
	w.try, w.class, w.cause = 0, "", nil
	for {
		begun := time.Now()
		err := try(ctx)
		switch {
		case err == nil:
			l.health.succeeded()
			return nil
		case l.lost != nil:
			return l.lost
		case ctx.Err() != nil:
			return w.gaveUp(ctx) // with what failed before ctx ended it
		}
		class := classify(err)
		if class == sinks.Data {
			class = sinks.Setup // there are no rows in the call that could be to blame
		}
		if w.cause == nil || status.Code(err) != codes.DeadlineExceeded {
			w.cause = public(err) // a deadline says less than what failed before
		}
		l.failed(class, err, begun)
		l.pause(ctx, class)
	}
}
