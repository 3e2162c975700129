package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/bigquery/storage/managedwriter"
	"cloud.google.com/go/pubsub/v2"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/descriptorpb"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"), // runs from the start of the process
		// The vendor's clients leave these behind for a while after they are closed.
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
		goleak.IgnoreAnyFunction("cloud.google.com/go/bigquery/storage/managedwriter.(*connection).getStream.func1"))
}

func newServers(t *testing.T, events int, payload func(int) []byte) *servers {
	s, err := startServers(t.Context(), events, payload)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// TestReceive lets the vendor's client receive a backlog. It catches a server
// that the client does not understand, that loses or doubles messages, or
// that forgets what it was told.
func TestReceive(t *testing.T) {
	const n = 2000
	s := newServers(t, n, func(i int) []byte { return fmt.Appendf(nil, "message %d", i) })
	var seen sync.Map
	receive(t, s, pubsub.ReceiveSettings{MaxOutstandingMessages: 150, NumGoroutines: 2}, func(m *pubsub.Message) {
		if _, twice := seen.LoadOrStore(string(m.Data), m.ID); twice {
			t.Errorf("%s came twice", m.Data)
		}
		m.Ack()
	})
	p := pulled(s.subscription)
	if err := p.Err(); err != nil {
		t.Error(err)
	}
	if p.Messages != n || p.P50 <= 0 || p.P50 > p.P99 || p.P99 > p.Max || p.Max > p.Took {
		t.Errorf("figures %+v", p)
	}
}

// TestReceiveNack catches a server that does not deliver again what was
// nacked, and a count that does not show it.
func TestReceiveNack(t *testing.T) {
	s := newServers(t, 100, func(i int) []byte { return fmt.Append(nil, i) })
	var nacked sync.Map
	receive(t, s, pubsub.ReceiveSettings{MaxOutstandingMessages: 10}, func(m *pubsub.Message) {
		if _, again := nacked.LoadOrStore(m.ID, true); again {
			m.Ack()
		} else {
			m.Nack()
		}
	})
	p := pulled(s.subscription)
	if p.Nacks != 100 || p.Repeats != 100 || p.Unacked != 0 || p.Err() == nil {
		t.Errorf("figures %+v", p)
	}
}

// receive runs the vendor's client until all messages are acknowledged.
func receive(t *testing.T, s *servers, settings pubsub.ReceiveSettings, f func(*pubsub.Message)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := pubsub.NewClient(ctx, "bench",
		option.WithEndpoint(s.subscription.Addr()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	go func() {
		<-s.subscription.Done()
		cancel()
	}()
	subscriber := client.Subscriber(subscriptionName)
	subscriber.ReceiveSettings = settings
	if err := subscriber.Receive(ctx, func(_ context.Context, m *pubsub.Message) { f(m) }); err != nil {
		t.Error(err)
	}
	if n := pulled(s.subscription).Unacked; n > 0 {
		t.Fatalf("%d messages were not acknowledged", n)
	}
}

// TestAppend lets the vendor's client append rows. It catches a server that
// the client does not understand, or that does not count what it was given.
func TestAppend(t *testing.T) {
	s := newServers(t, 0, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := managedwriter.NewClient(ctx, "bench",
		option.WithEndpoint(s.storageAddr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const n = 300
	var rows transform.Rows
	transformer := transform.New(transform.Options{})
	events := NewEvents(1, 1500, time.Now())
	for i := range n {
		if _, err := transformer.Transform(&rows, events.Payload(i), transform.Delivery{IngestedAt: time.Now(), Source: "pubsub"}); err != nil {
			t.Fatal(err)
		}
	}
	ledger(&rows, n)
	var wg sync.WaitGroup
	for _, table := range transform.Tables() {
		wg.Go(func() {
			if err := appendRows(ctx, client, table.ID, &rows); err != nil {
				t.Errorf("%s: %v", table.Name, err)
			}
		})
	}
	wg.Wait()
	got := s.warehouse.Stored()
	if err := got.Err(n); err != nil {
		t.Error(err)
	}
	if want := rows.Mark(); [transform.NumTables]int(want) != got.Rows {
		t.Errorf("rows %v, want %v", got.Rows, want)
	}
	if err := got.Err(n + 1); err == nil {
		t.Error("a missing event is not noticed")
	}
}

// ledger adds a batch of n messages to the ledger.
func ledger(rows *transform.Rows, n int64) {
	columns := transform.SyncBatches.Table().Columns
	values := make([]any, len(columns))
	for i, c := range columns {
		switch {
		case c.Name == "received" || c.Name == "written":
			values[i] = n
		case c.Mode == transform.Repeated: // none
		case c.Type == transform.Int64:
			values[i] = int64(0)
		case c.Type == transform.Timestamp:
			values[i] = time.Now()
		default:
			values[i] = "text"
		}
	}
	sinktest.Append(rows, transform.SyncBatches, values)
}

func appendRows(ctx context.Context, client *managedwriter.Client, id transform.TableID, rows *transform.Rows) error {
	name := "row"
	writer, err := client.NewManagedStream(ctx,
		managedwriter.WithDestinationTable("projects/bench/datasets/bench/tables/"+id.String()),
		managedwriter.WithType(managedwriter.DefaultStream),
		managedwriter.WithSchemaDescriptor(&descriptorpb.DescriptorProto{Name: &name}))
	if err != nil {
		return err
	}
	var list [][]byte
	for i := range rows.Len(id) {
		list = append(list, rows.Row(id, i))
	}
	for half := len(list) / 2; len(list) > 0; list = list[half:] {
		half = min(max(half, 1), len(list))
		result, err := writer.AppendRows(ctx, list[:half])
		if err != nil {
			return err
		}
		if _, err := result.GetResult(ctx); err != nil {
			return err
		}
	}
	_ = writer.Close() // always io.EOF
	return nil
}

// TestVerdicts catches a count that lets a loss or a copy pass.
func TestVerdicts(t *testing.T) {
	good := Stored{Events: 10, Received: 10, Rows: [transform.NumTables]int{10, 4, 0, 1}}
	lost, copied, dead, unaccounted := good, good, good, good
	lost.Events, lost.Rows[0] = 9, 9
	copied.Rows[0] = 11
	dead.Rows[transform.DeadLetters] = 1
	unaccounted.Received = 9
	if err := good.Err(10); err != nil {
		t.Error(err)
	}
	for name, s := range map[string]Stored{"lost": lost, "copied": copied, "dead": dead, "unaccounted": unaccounted} {
		if s.Err(10) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
	for name, p := range map[string]Pulled{"unacked": {Unacked: 1}, "nack": {Nacks: 1}, "repeat": {Repeats: 1}, "twice": {Excess: 1}} {
		if p.Err() == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// TestStopped catches a worker process that ends by itself unnoticed.
func TestStopped(t *testing.T) {
	w := &worker{binary: "/bin/false", log: t.TempDir() + "/log"}
	p, err := w.start(t.Context(), nil)
	if err != nil {
		t.Skip(err) // no such program here
	}
	<-p.exited
	if _, err := p.stop(); err == nil {
		t.Error("stop of an ended worker: no error")
	}
}
