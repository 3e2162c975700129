package bqtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	// maxRequest is the largest request to append, in bytes, as the service's
	// own error tells it.
	maxRequest = 10 << 20
	// maxWaiting is how many answers of a connection may wait to be sent.
	maxWaiting = 1000
)

// A connection is one call of AppendRows. Only its receiving goroutine uses it.
type connection struct {
	srv    *Server
	number int

	stream string // the full name in the last request that had one
	id     string // the last part of it
	ref    tableKey
	sent   *descriptorpb.DescriptorProto
	row    protoreflect.MessageDescriptor

	seen map[*table]int // version of the table's columns when first appended to

	bound      *binding // of row to boundTo's columns
	boundTo    *rest.Table
	boundWhole protoreflect.MessageDescriptor
}

// A reply is what becomes of one request: an answer, or the end of the
// connection, when its time has come.
type reply struct {
	due   time.Time
	resp  *storagepb.AppendRowsResponse
	end   bool // with err
	err   error
	stuck bool
}

// AppendRows takes requests in order and answers them in order.
func (w *writeServer) AppendRows(stream storagepb.BigQueryWrite_AppendRowsServer) error {
	s := w.srv
	s.mu.Lock()
	c := &connection{srv: s, number: s.next(), seen: map[*table]int{}}
	s.mu.Unlock()

	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	replies := make(chan reply, maxWaiting)
	s.wg.Go(func() { c.receive(ctx, stream, replies) })

	for r := range replies {
		if r.stuck {
			<-ctx.Done()
			return ctx.Err()
		}
		if err := waitUntil(ctx, r.due); err != nil {
			return err
		}
		if r.end {
			return r.err
		}
		if err := stream.Send(r.resp); err != nil {
			return err
		}
	}
	return nil
}

// receive reads requests until one ends the connection or the stream ends.
func (c *connection) receive(ctx context.Context, stream storagepb.BigQueryWrite_AppendRowsServer, replies chan<- reply) {
	defer close(replies)
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		var r reply
		if err != nil {
			r = reply{end: true, err: err}
		} else {
			r = c.take(req)
		}
		select {
		case replies <- r:
		case <-ctx.Done():
			return
		}
		if r.end || r.stuck {
			return
		}
	}
}

func waitUntil(ctx context.Context, due time.Time) error {
	d := time.Until(due)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take does one request.
func (c *connection) take(req *storagepb.AppendRowsRequest) reply {
	received := time.Now()
	rows, err := c.read(req)
	if err != nil {
		return reply{end: true, err: err}
	}
	size := proto.Size(req)
	to, a, err := c.enter(req.GetOffset(), len(rows), size)
	if err != nil {
		return reply{end: true, err: err}
	}
	b, err := c.bind(to.columns)
	if err != nil {
		return reply{end: true, err: err}
	}
	if to.misfit != nil {
		return c.refusal(to.misfit)
	}
	bad := c.decode(a, b, to.columns.TimePartitioning, rows, received)
	f := c.srv.fault(c.ref, a)
	bad = c.srv.refuse(c.ref, a, f, bad)

	var offset *wrapperspb.Int64Value
	if len(bad) == 0 && (!f.failed() || f.Written) {
		if offset, err = c.write(to, a, rows); err != nil {
			r := c.refusal(err)
			r.end = status.Code(err) == codes.NotFound
			return r
		}
	}
	if f.Late > 0 && len(bad) == 0 {
		time.AfterFunc(f.Late, func() { _, _ = c.write(to, a, rows) })
	}
	r := c.reply(to.table, f, bad, offset)
	r.due = received.Add(f.Delay)
	return r
}

// refusal answers a request with an error, and leaves the connection open.
func (c *connection) refusal(err error) reply {
	return reply{err: err, resp: &storagepb.AppendRowsResponse{WriteStream: c.stream, Response: errorResponse(err)}}
}

// reply says what the client is told of an append.
func (c *connection) reply(t *table, f *Fault, bad map[int]error, offset *wrapperspb.Int64Value) reply {
	resp := &storagepb.AppendRowsResponse{WriteStream: c.stream}
	r := reply{resp: resp, stuck: f.Stuck, end: f.Reset}
	switch {
	case f.Reset && f.Code == codes.OK:
		// The handler returns nil: the client sees the end of the stream.
	case f.failed():
		r.err = f.status(c.stream)
		resp.Response = errorResponse(r.err)
	case len(bad) > 0:
		resp.Response = errorResponse(storageError(codes.InvalidArgument, unspecified, c.stream, rowsRefused))
		resp.RowErrors = c.srv.listed(c.ref, bad)
	default:
		resp.Response = &storagepb.AppendRowsResponse_AppendResult_{AppendResult: &storagepb.AppendRowsResponse_AppendResult{Offset: offset}}
		resp.UpdatedSchema = c.news(t)
	}
	return r
}

// read takes what a request says of its stream and schema, and returns its
// rows. An error ends the connection.
func (c *connection) read(req *storagepb.AppendRowsRequest) ([][]byte, error) {
	refuse := func(format string, args ...any) error {
		return storageError(codes.InvalidArgument, unspecified, c.stream, fmt.Sprintf(format, args...))
	}
	moved := false
	if name := req.GetWriteStream(); name != "" && name != c.stream {
		ref, id, err := parseStream(name)
		if err != nil {
			return nil, err
		}
		if c.stream != "" && (id != defaultID || c.id != defaultID) {
			return nil, refuse("only default streams can share a connection")
		}
		moved = c.stream != "" && ref != c.ref
		c.stream, c.id, c.ref = name, id, ref
	}
	data := req.GetProtoRows()
	sent := data.GetWriterSchema().GetProtoDescriptor()
	switch size := proto.Size(req); {
	case c.stream == "":
		return nil, refuse("the first request of a connection must name its write_stream")
	case size > maxRequest:
		return nil, refuse("AppendRows request too large: %d limit %d", size, maxRequest)
	case data == nil:
		return nil, refuse("rows must be given as proto_rows")
	case req.GetOffset() != nil && c.id == defaultID:
		return nil, refuse("an offset cannot be given for the default stream")
	case sent == nil && c.sent == nil:
		return nil, refuse("the first request of a connection must have a writer_schema")
	case sent == nil && moved:
		return nil, refuse("a request to another table must have a writer_schema")
	case len(data.GetRows().GetSerializedRows()) == 0:
		return nil, refuse("the request has no rows")
	}
	if sent != nil && !proto.Equal(sent, c.sent) {
		row, err := messageType(sent)
		if err != nil {
			return nil, refuse("%s", sentence(err))
		}
		c.sent, c.row = sent, row
	}
	return data.GetRows().GetSerializedRows(), nil
}

// A target is where a request's rows go.
type target struct {
	table   *table
	columns *rest.Table // the definition that the request is to see

	pending *pendingStream // nil: the default stream
	offset  *wrapperspb.Int64Value
	misfit  error // why the pending stream cannot take rows there
}

// enter finds the target and counts the request.
func (c *connection) enter(offset *wrapperspb.Int64Value, rows, size int) (*target, *Append, error) {
	s := c.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.lookUp(c.ref, c.stream)
	if err != nil {
		return nil, nil, err
	}
	to := &target{table: t, columns: t.meta, offset: offset}
	if err := c.enterPending(to); err != nil {
		return nil, nil, err
	}
	if _, ok := c.seen[t]; !ok {
		c.seen[t] = t.version
		t.stats.Connections++
	}
	t.stats.Appends++
	t.stats.LargestRows = max(t.stats.LargestRows, rows)
	t.stats.LargestSize = max(t.stats.LargestSize, size)
	a := &Append{
		Project: c.ref.project, Dataset: c.ref.dataset, Table: c.ref.table, Stream: c.stream, Offset: -1,
		N: t.stats.Appends, Connection: c.number, Bytes: size,
	}
	if offset != nil {
		a.Offset = offset.GetValue()
	}
	switch {
	case t.lagging > 0:
		t.lagging--
		to.columns = t.before
	case t.lagging < 0 && c.seen[t] < t.version:
		to.columns = t.before
	}
	return to, a, nil
}

// enterPending finds the pending stream, if the connection has one. A stream
// takes rows from the connection that was the last to come, and from none
// before it. The caller holds the server's mutex.
func (c *connection) enterPending(to *target) error {
	if c.id == defaultID {
		return nil
	}
	p, err := c.srv.pending(c.stream, to.table)
	if err != nil {
		return err
	}
	if c.number < p.owner {
		return status.Error(codes.Aborted, "Another connection has taken the stream.")
	}
	p.owner = c.number
	to.pending, to.misfit = p, p.fits(to.offset)
	return nil
}

// bind ties the rows to the table, once for each pair of the two.
func (c *connection) bind(columns *rest.Table) (*binding, error) {
	if c.boundTo != columns || c.boundWhole != c.row {
		b, err := bind(c.row, columns.Schema.Fields, c.stream)
		if err != nil {
			return nil, err
		}
		c.bound, c.boundTo, c.boundWhole = b, columns, c.row
	}
	return c.bound, nil
}

// decode puts the good rows into a and returns what is wrong with the others,
// by their places.
func (c *connection) decode(a *Append, b *binding, p *rest.TimePartitioning, rows [][]byte, now time.Time) map[int]error {
	bad := map[int]error{}
	a.Rows = make([]map[string]any, len(rows))
	for i, row := range rows {
		values, err := b.decode(row, p, now)
		if err != nil {
			bad[i] = err
			continue
		}
		a.Rows[i] = values
	}
	return bad
}

// write puts an append's rows where they belong and returns the offset of the
// first, nil in a default stream. It fails if table, stream or offset are no
// longer what they were.
func (c *connection) write(to *target, a *Append, rows [][]byte) (*wrapperspb.Int64Value, error) {
	s := c.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.datasets[a.Project+":"+a.Dataset]; !ok || d.tables[a.Table] != to.table {
		return nil, tableNotFound(c.stream)
	}
	size := int64(0)
	for _, row := range rows {
		size += int64(len(row))
	}
	p := to.pending
	if p == nil {
		to.table.rows = append(to.table.rows, a.Rows...)
		to.table.bytes += size
		to.table.stats.Written++
		return nil, nil
	}
	if err := p.fits(to.offset); err != nil {
		return nil, err
	}
	offset := wrapperspb.Int64(int64(len(p.rows)))
	p.rows = append(p.rows, a.Rows...)
	p.bytes += size
	to.table.stats.Written++
	return offset, nil
}

// news returns the table's columns once, if it gained any since the
// connection last knew them.
func (c *connection) news(t *table) *storagepb.TableSchema {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if t.lagging != 0 || c.seen[t] == t.version {
		return nil
	}
	c.seen[t] = t.version
	return storageSchema(t.meta.Schema.Fields)
}
