package bqtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// rawClient speaks the protocol without the client that keeps its rules.
func rawClient(t *testing.T, s *Server) storagepb.BigQueryWriteClient {
	t.Helper()
	c, err := grpc.NewClient(s.StorageAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return storagepb.NewBigQueryWriteClient(c)
}

// requests makes raw requests for table t.
type requests struct {
	w      *writer
	schema *storagepb.ProtoSchema
}

func newRequests(t *testing.T) *requests {
	m, dp := message(t, schema())
	return &requests{&writer{t: t, m: m}, &storagepb.ProtoSchema{ProtoDescriptor: dp}}
}

func (r *requests) full(rows ...[]byte) *storagepb.AppendRowsRequest {
	req := r.bare(rows...)
	req.WriteStream = stream
	req.GetProtoRows().WriterSchema = r.schema
	return req
}

func (r *requests) bare(rows ...[]byte) *storagepb.AppendRowsRequest {
	return &storagepb.AppendRowsRequest{Rows: &storagepb.AppendRowsRequest_ProtoRows{ProtoRows: &storagepb.AppendRowsRequest_ProtoData{
		Rows: &storagepb.ProtoRows{SerializedRows: rows},
	}}}
}

// TestProtocol would catch a request that the service ends the connection for
// and this does not, and the other way round.
func TestProtocol(t *testing.T) {
	r := newRequests(t)
	row := r.w.row("a")
	edit := func(req *storagepb.AppendRowsRequest, f func(*storagepb.AppendRowsRequest)) *storagepb.AppendRowsRequest {
		f(req)
		return req
	}
	for name, test := range map[string]struct {
		requests []*storagepb.AppendRowsRequest
		refused  string // part of the last one's error, "" if all go through
		code     codes.Code
	}{
		"stream and schema once": {[]*storagepb.AppendRowsRequest{r.full(row), r.bare(row)}, "", codes.OK},
		"no stream":              {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.WriteStream = "" })}, "write_stream", codes.InvalidArgument},
		"no schema":              {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.GetProtoRows().WriterSchema = nil })}, "writer_schema", codes.InvalidArgument},
		"no rows":                {[]*storagepb.AppendRowsRequest{r.full()}, "no rows", codes.InvalidArgument},
		"arrow": {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) {
			q.Rows = &storagepb.AppendRowsRequest_ArrowRows{ArrowRows: &storagepb.AppendRowsRequest_ArrowData{}}
		})}, "proto_rows", codes.InvalidArgument},
		"offset":      {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.Offset = wrapperspb.Int64(0) })}, "offset", codes.InvalidArgument},
		"bad stream":  {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.WriteStream = "t" })}, "invalid stream name", codes.InvalidArgument},
		"own stream":  {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.WriteStream = strings.Replace(stream, "_default", "s1", 1) })}, "", codes.NotFound},
		"other table": {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.WriteStream = strings.Replace(stream, "/t/", "/gone/", 1) })}, "", codes.NotFound},
		"view":        {[]*storagepb.AppendRowsRequest{edit(r.full(row), func(q *storagepb.AppendRowsRequest) { q.WriteStream = strings.Replace(stream, "/t/", "/v/", 1) })}, "VIEW", codes.InvalidArgument},
		"second table without schema": {[]*storagepb.AppendRowsRequest{r.full(row), edit(r.bare(row), func(q *storagepb.AppendRowsRequest) {
			q.WriteStream = strings.Replace(stream, "/t/", "/u/", 1)
		})}, "writer_schema", codes.InvalidArgument},
		"second table with schema": {[]*storagepb.AppendRowsRequest{r.full(row), edit(r.full(row), func(q *storagepb.AppendRowsRequest) {
			q.WriteStream = strings.Replace(stream, "/t/", "/u/", 1)
		})}, "", codes.OK},
		"too large": {[]*storagepb.AppendRowsRequest{r.full(make([]byte, 10<<20))}, "request too large", codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTable(t)
			if err := s.CreateTable(project, ds, "u", metadata()); err != nil {
				t.Fatal(err)
			}
			if err := s.CreateTable(project, ds, "v", &bq.TableMetadata{ViewQuery: "SELECT 1"}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(deadline(t))
			defer cancel()
			call, err := rawClient(t, s).AppendRows(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var last error
			for i, req := range test.requests {
				if err := call.Send(req); err != nil {
					t.Fatal(err)
				}
				resp, err := call.Recv()
				if i < len(test.requests)-1 && (err != nil || resp.GetError() != nil) {
					t.Fatalf("request %d: %v, %v", i, resp, err)
				}
				last = err
			}
			if status.Code(last) != test.code || last != nil && !strings.Contains(last.Error(), test.refused) {
				t.Fatalf("error %v: want %v with %q", last, test.code, test.refused)
			}
			if test.code != codes.OK {
				return
			}
			call.CloseSend()
			if _, err := call.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last request: %v, want EOF", err)
			}
			if n := s.NumRows("t") + s.NumRows("u"); n != len(test.requests) {
				t.Errorf("%d rows, want %d", n, len(test.requests))
			}
		})
	}
}

// TestLargestRequest would catch a limit that is lower than the service's.
func TestLargestRequest(t *testing.T) {
	s := withTable(t)
	r := newRequests(t)
	req := r.full(r.w.row("a"))
	row := r.w.row(strings.Repeat("x", maxRequest-proto.Size(req)-32))
	call, err := rawClient(t, s).AppendRows(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Send(r.full(row)); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Recv(); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats("t").LargestSize; n > maxRequest || n < maxRequest-64 {
		t.Errorf("largest request %d, want just below %d", n, maxRequest)
	}
}

// TestGetWriteStream would catch a writer that opens although its table or
// permission is missing.
func TestGetWriteStream(t *testing.T) {
	s := withTable(t)
	c := rawClient(t, s)
	get := func(name string) (*storagepb.WriteStream, error) {
		return c.GetWriteStream(deadline(t), &storagepb.GetWriteStreamRequest{Name: name, View: storagepb.WriteStreamView_FULL})
	}
	for _, name := range []string{stream, strings.Replace(stream, "/streams", "", 1)} {
		got, err := get(name)
		if err != nil {
			t.Fatal(err)
		}
		if got.GetType() != storagepb.WriteStream_COMMITTED || len(got.GetTableSchema().GetFields()) != len(schema()) {
			t.Errorf("stream %v", got)
		}
	}
	if _, err := get(strings.Replace(stream, "/t/", "/gone/", 1)); status.Code(err) != codes.NotFound || storageCode(err) != storagepb.StorageError_TABLE_NOT_FOUND {
		t.Errorf("absent table: %v", err)
	}
	s.Deny("t", true)
	if _, err := get(stream); status.Code(err) != codes.PermissionDenied {
		t.Errorf("without permission: %v", err)
	}
	s.Deny("t", false)
	s.Down(true)
	if _, err := get(stream); status.Code(err) != codes.Unavailable {
		t.Errorf("while down: %v", err)
	}
}

// TestUnimplemented would catch a call that hangs or pretends.
func TestUnimplemented(t *testing.T) {
	c, ctx := rawClient(t, withTable(t)), deadline(t)
	for name, call := range map[string]func() error{
		"create": func() error {
			_, err := c.CreateWriteStream(ctx, &storagepb.CreateWriteStreamRequest{
				Parent:      parent,
				WriteStream: &storagepb.WriteStream{Type: storagepb.WriteStream_COMMITTED},
			})
			return err
		},
		"flush": func() error { _, err := c.FlushRows(ctx, &storagepb.FlushRowsRequest{}); return err },
	} {
		if err := call(); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v, want Unimplemented", name, err)
		}
	}
}
