package bigquery

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"github.com/googleapis/gax-go/v2"
)

// A stream is one life of a table's default stream, or of a pending one, on a
// connection of its own.
//
// Its own, because the library can stay in a Send for good when the other
// side takes nothing, holding locks that closing the stream needs, and only
// the context of its client ends that call.
type stream struct {
	client *managedwriter.Client
	writer *managedwriter.ManagedStream

	// kill breaks the connection: what is being sent or awaited on it fails
	// at once. forget ends the library's bookkeeping; it must not be called
	// while something is being sent, because AppendRows would then return
	// while the rows are still being read.
	kill, forget context.CancelFunc

	users   int  // guarded by the appender
	retired bool // guarded by the appender: no new users, the last one closes it
}

// openStream opens the table's default stream, or tells at once why it cannot.
func (a *appender) openStream(ctx context.Context) (*stream, error) {
	return a.connect(ctx, a.path+"/streams/_default",
		managedwriter.WithDestinationTable(a.path), managedwriter.WithType(managedwriter.DefaultStream))
}

// connect opens a connection to a stream, which the options name, too.
func (a *appender) connect(ctx context.Context, name string, options ...managedwriter.WriterOption) (*stream, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.AppendTimeout)
	defer cancel()
	s, err := a.dial(ctx, name, options)
	if err != nil {
		return nil, fmt.Errorf("open stream of %s: %w", a.table.Name, err)
	}
	return s, nil
}

func (a *appender) dial(ctx context.Context, name string, options []managedwriter.WriterOption) (*stream, error) {
	connection, kill := context.WithCancel(context.WithoutCancel(ctx))
	client, err := managedwriter.NewClient(connection, a.config.ProjectID, a.config.storageOptions()...)
	if err != nil {
		kill()
		return nil, err
	}
	life, forget := context.WithCancel(context.WithoutCancel(ctx))
	s := &stream{client: client, kill: kill, forget: forget}
	if err := s.open(ctx, life, a, name, options); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// once keeps the library from trying a call again, which hides the cause for
// as long as the context lasts.
func once() gax.CallOption { return gax.WithRetry(func() gax.Retryer { return nil }) }

func (s *stream) open(ctx, life context.Context, a *appender, name string, options []managedwriter.WriterOption) error {
	// Opening asks for the stream, too, but again and again.
	if _, err := s.client.GetWriteStream(ctx, &storagepb.GetWriteStreamRequest{Name: name}, once()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, s.forget)
	writer, err := s.client.NewManagedStream(life, append(options,
		managedwriter.WithSchemaDescriptor(a.descriptor),
		managedwriter.WithMaxInflightRequests(maxInFlight),
		managedwriter.WithMaxInflightBytes(maxInFlight*(maxRow+1<<20)),
		managedwriter.WithTraceID("leadsync"),
	)...)
	if err != nil {
		stop()
		return err
	}
	s.writer = writer
	if !stop() { // the context ended meanwhile and took the stream's with it
		return context.Cause(ctx)
	}
	return nil
}

// append hands rows over, which are no longer read once it has returned.
func (s *stream) append(ctx context.Context, rows [][]byte, timeout time.Duration, options ...managedwriter.AppendOption) (*managedwriter.AppendResult, error) {
	// AppendRows with a context that ends returns before the library has
	// stopped reading the rows. So it is given none, and the connection is
	// broken instead.
	timer := time.AfterFunc(timeout, s.kill)
	defer timer.Stop()
	stop := context.AfterFunc(ctx, s.kill)
	defer stop()
	return s.writer.AppendRows(context.WithoutCancel(ctx), rows, options...)
}

// close ends the stream. Nothing may be being sent on it.
func (s *stream) close() {
	s.kill()
	if s.writer != nil {
		_ = s.writer.Close() // always io.EOF
	}
	s.forget()
	_ = s.client.Close() // of a connection that is broken already
}
