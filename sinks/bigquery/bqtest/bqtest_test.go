package bqtest

import (
	"context"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"cloud.google.com/go/bigquery/storage/managedwriter/adapt"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The client's metrics library starts it when it is loaded.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		// The client cancels what it opened before with a delay of 20 s, even
		// if there was nothing.
		goleak.IgnoreAnyFunction("cloud.google.com/go/bigquery/storage/managedwriter.(*connection).getStream.func1"))
}

const (
	project = "p"
	ds      = "d"
	stream  = "projects/p/datasets/d/tables/t/streams/_default"
)

// schema has a column of every type that can be appended to.
func schema() bq.Schema {
	return bq.Schema{
		{Name: "id", Type: bq.StringFieldType, Required: true},
		{Name: "at", Type: bq.TimestampFieldType, Required: true},
		{Name: "n", Type: bq.IntegerFieldType},
		{Name: "ok", Type: bq.BooleanFieldType},
		{Name: "f", Type: bq.FloatFieldType},
		{Name: "raw", Type: bq.BytesFieldType},
		{Name: "doc", Type: bq.JSONFieldType},
		{Name: "tags", Type: bq.StringFieldType, Repeated: true},
		{Name: "changes", Type: bq.RecordFieldType, Repeated: true, Schema: bq.Schema{
			{Name: "field", Type: bq.StringFieldType, Required: true},
			{Name: "before", Type: bq.StringFieldType},
		}},
		{Name: "seen", Type: bq.TimestampFieldType},
	}
}

func metadata() *bq.TableMetadata {
	return &bq.TableMetadata{
		Schema:           schema(),
		TimePartitioning: &bq.TimePartitioning{Field: "at"},
		Clustering:       &bq.Clustering{Fields: []string{"id"}},
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// withTable starts a server that has table t.
func withTable(t *testing.T) *Server {
	t.Helper()
	s := New(t)
	if err := s.CreateTable(project, ds, "t", metadata()); err != nil {
		t.Fatal(err)
	}
	return s
}

func restClient(t *testing.T, s *Server) *bq.Client {
	t.Helper()
	c, err := bq.NewClient(context.Background(), project, option.WithEndpoint(s.RESTURL()), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func writeClient(t *testing.T, s *Server) *managedwriter.Client {
	t.Helper()
	c, err := managedwriter.NewClient(context.Background(), project,
		option.WithEndpoint(s.StorageAddr()), option.WithoutAuthentication(),
		option.WithGRPCConnectionPool(1),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// message returns the type of rows of columns, as the vendor's adapter makes it.
func message(t *testing.T, columns bq.Schema) (protoreflect.MessageDescriptor, *descriptorpb.DescriptorProto) {
	t.Helper()
	ts, err := adapt.BQSchemaToStorageTableSchema(columns)
	if err != nil {
		t.Fatal(err)
	}
	d, err := adapt.StorageSchemaToProto2Descriptor(ts, "root")
	if err != nil {
		t.Fatal(err)
	}
	dp, err := adapt.NormalizeDescriptor(d.(protoreflect.MessageDescriptor))
	if err != nil {
		t.Fatal(err)
	}
	return normal(t, dp), dp
}

// normal returns the type that a normalised descriptor describes.
func normal(t *testing.T, dp *descriptorpb.DescriptorProto) protoreflect.MessageDescriptor {
	t.Helper()
	f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("x.proto"), Syntax: proto.String("proto2"), MessageType: []*descriptorpb.DescriptorProto{dp},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Messages().Get(0)
}

// writer appends to table t with the vendor's client.
type writer struct {
	t  *testing.T
	m  protoreflect.MessageDescriptor
	ms *managedwriter.ManagedStream
}

func newWriter(t *testing.T, s *Server, opts ...managedwriter.WriterOption) *writer {
	t.Helper()
	m, dp := message(t, schema())
	opts = append([]managedwriter.WriterOption{
		managedwriter.WithDestinationTable("projects/p/datasets/d/tables/t"),
		managedwriter.WithType(managedwriter.DefaultStream),
		managedwriter.WithSchemaDescriptor(dp),
	}, opts...)
	ms, err := writeClient(t, s).NewManagedStream(context.Background(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ms.Close() })
	return &writer{t, m, ms}
}

// row encodes a good row, changed by edit.
func (w *writer) row(id string, edit ...func(*dynamicpb.Message)) []byte {
	w.t.Helper()
	m := dynamicpb.NewMessage(w.m)
	set(m, "id", id)
	set(m, "at", time.Now().UnixMicro())
	for _, f := range edit {
		f(m)
	}
	return marshal(w.t, m)
}

func marshal(t *testing.T, m *dynamicpb.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func set(m *dynamicpb.Message, name string, v any) {
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(name)), protoreflect.ValueOf(v))
}

// append sends rows and waits for the answer.
func (w *writer) append(rows ...[]byte) (*storagepb.AppendRowsResponse, error) {
	w.t.Helper()
	ctx := deadline(w.t)
	res, err := w.ms.AppendRows(ctx, rows)
	if err != nil {
		return nil, err
	}
	return res.FullResponse(ctx)
}
