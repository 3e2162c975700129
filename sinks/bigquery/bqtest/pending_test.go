package bqtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
)

const parent = "projects/p/datasets/d/tables/t"

// pendingWriter appends to a pending stream of table t with the vendor's
// client.
func pendingWriter(t *testing.T, s *Server) *writer {
	t.Helper()
	return newWriter(t, s, managedwriter.WithType(managedwriter.PendingStream))
}

// appendAt sends rows for an offset and returns the one that they got.
func (w *writer) appendAt(offset int64, rows ...[]byte) (int64, error) {
	w.t.Helper()
	ctx := deadline(w.t)
	res, err := w.ms.AppendRows(ctx, rows, managedwriter.WithOffset(offset))
	if err != nil {
		return 0, err
	}
	return res.GetResult(ctx)
}

func commitOf(t *testing.T, s *Server, streams ...string) (*storagepb.BatchCommitWriteStreamsResponse, error) {
	return rawClient(t, s).BatchCommitWriteStreams(deadline(t), &storagepb.BatchCommitWriteStreamsRequest{Parent: parent, WriteStreams: streams})
}

// TestPendingStream goes the whole way. It would catch rows that are seen too
// soon, twice or never, an offset that is taken although it does not fit, and
// a stream that takes rows after its end.
func TestPendingStream(t *testing.T) {
	s := withTable(t)
	w := pendingWriter(t, s)
	for i, step := range []struct {
		offset int64
		rows   int
		want   codes.Code
		detail storagepb.StorageError_StorageErrorCode
	}{
		{0, 2, codes.OK, 0},
		{2, 1, codes.OK, 0},
		{2, 1, codes.AlreadyExists, storagepb.StorageError_OFFSET_ALREADY_EXISTS},
		{0, 2, codes.AlreadyExists, storagepb.StorageError_OFFSET_ALREADY_EXISTS},
		{4, 1, codes.OutOfRange, storagepb.StorageError_OFFSET_OUT_OF_RANGE},
		{3, 1, codes.OK, 0},
	} {
		var rows [][]byte
		for r := range step.rows {
			rows = append(rows, w.row(fmt.Sprintf("%d-%d", i, r)))
		}
		at, err := w.appendAt(step.offset, rows...)
		if status.Code(err) != step.want || err != nil && storageCode(err) != step.detail || err == nil && at != step.offset {
			t.Fatalf("step %d: offset %d, %v; want %v %v", i, at, err, step.want, step.detail)
		}
	}
	if n := s.Stats("t").Connections; n != 1 {
		t.Errorf("%d connections: a refused offset ended one", n)
	}
	if n := s.NumRows("t"); n != 0 {
		t.Fatalf("%d rows are seen before the commit", n)
	}
	if resp, err := commitOf(t, s, w.ms.StreamName()); err != nil || resp.GetCommitTime() != nil ||
		resp.GetStreamErrors()[0].GetCode() != storagepb.StorageError_INVALID_STREAM_STATE {
		t.Errorf("commit of a stream that is not finalized: %v, %v", resp, err)
	}
	for range 2 {
		if n, err := w.ms.Finalize(deadline(t)); n != 4 || err != nil {
			t.Fatalf("finalized with %d rows, %v; want 4", n, err)
		}
	}
	if _, err := w.appendAt(4, w.row("late")); storageCode(err) != storagepb.StorageError_STREAM_FINALIZED {
		t.Errorf("append after the end: %v", err)
	}
	resp, err := commitOf(t, s, w.ms.StreamName())
	if err != nil || resp.GetCommitTime() == nil || len(resp.GetStreamErrors()) > 0 {
		t.Fatalf("commit: %v, %v", resp, err)
	}
	resp, err = commitOf(t, s, w.ms.StreamName())
	if err != nil || resp.GetCommitTime() != nil || resp.GetStreamErrors()[0].GetCode() != storagepb.StorageError_STREAM_ALREADY_COMMITTED {
		t.Errorf("second commit: %v, %v", resp, err)
	}
	var got []string
	for _, row := range s.Rows("t") {
		got = append(got, row["id"].(string))
	}
	if want := []string{"0-0", "0-1", "1-0", "5-0"}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	if st := s.Stats("t"); st.Streams != 1 || st.Commits != 1 || st.Written != 3 {
		t.Errorf("stats %+v", st)
	}
}

// TestPendingStrict would catch checks that only the default stream has.
func TestPendingStrict(t *testing.T) {
	s := withTable(t)
	w := pendingWriter(t, s)
	if _, err := w.appendAt(0, w.row("a"), w.row("b")[:3]); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a row that does not decode: %v", err)
	}
	old := w.row("old", func(m *dynamicpb.Message) { set(m, "at", time.Now().AddDate(-11, 0, 0).UnixMicro()) })
	if _, err := w.appendAt(0, old); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a row of a partition out of range: %v", err)
	}
	if _, err := w.appendAt(0, w.row("a")); err != nil {
		t.Errorf("a good row after them: %v", err)
	}
	if _, err := w.appendAt(1, make([]byte, 10<<20)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a request that is too large: %v", err)
	}
	s.Deny("t", true)
	if _, err := w.ms.Finalize(deadline(t)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("finalize without permission: %v", err)
	}
	if _, err := commitOf(t, s, w.ms.StreamName()); status.Code(err) != codes.PermissionDenied {
		t.Errorf("commit without permission: %v", err)
	}
}

// TestCommitIsAtomic commits two streams of which one is not ready. It would
// catch half a commit, and streams of other tables in it.
func TestCommitIsAtomic(t *testing.T) {
	s := withTable(t)
	a, b := pendingWriter(t, s), pendingWriter(t, s)
	for _, w := range []*writer{a, b} {
		if _, err := w.appendAt(0, w.row("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.ms.Finalize(deadline(t)); err != nil {
		t.Fatal(err)
	}
	resp, err := commitOf(t, s, a.ms.StreamName(), b.ms.StreamName())
	if err != nil || len(resp.GetStreamErrors()) != 1 || resp.GetStreamErrors()[0].GetEntity() != b.ms.StreamName() || s.NumRows("t") != 0 {
		t.Errorf("commit with one stream that is not finalized: %v, %v, %d rows", resp, err, s.NumRows("t"))
	}
	for name, list := range map[string][]string{
		"none":          nil,
		"twice":         {a.ms.StreamName(), a.ms.StreamName()},
		"another table": {strings.Replace(a.ms.StreamName(), "/t/", "/u/", 1)},
	} {
		if resp, err := commitOf(t, s, list...); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	if resp, err := commitOf(t, s, parent+"/streams/gone"); err != nil || resp.GetStreamErrors()[0].GetCode() != storagepb.StorageError_STREAM_NOT_FOUND {
		t.Errorf("absent stream: %v, %v", resp, err)
	}
	if _, err := b.ms.Finalize(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if resp, err := commitOf(t, s, a.ms.StreamName(), b.ms.StreamName()); err != nil || resp.GetCommitTime() == nil || s.NumRows("t") != 2 {
		t.Errorf("commit of both: %v, %v, %d rows", resp, err, s.NumRows("t"))
	}
}

// TestPendingStreamsEnd would catch a stream that outlives its table or its
// time, and a connection that appends after another has taken the stream.
func TestPendingStreamsEnd(t *testing.T) {
	s := withTable(t)
	w := pendingWriter(t, s)
	if _, err := w.appendAt(0, w.row("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := pendingAgain(t, s, w).appendAt(1, w.row("b")); err != nil {
		t.Errorf("second connection: %v", err)
	}
	if _, err := w.appendAt(2, w.row("c")); status.Code(err) != codes.Aborted {
		t.Errorf("first connection after the second has appended: %v, want Aborted", err)
	}
	s.Expire()
	if _, err := w.ms.Finalize(deadline(t)); storageCode(err) != storagepb.StorageError_STREAM_NOT_FOUND {
		t.Errorf("finalize after its time: %v", err)
	}
	w = pendingWriter(t, s)
	if err := s.Drop("t"); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTable(project, ds, "t", metadata()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ms.Finalize(deadline(t)); storageCode(err) != storagepb.StorageError_STREAM_NOT_FOUND {
		t.Errorf("finalize after its table was dropped: %v", err)
	}
}

// TestCallFaults makes calls fail before and after they took effect. It would
// catch a fault that takes effect when it should not, or the other way round.
func TestCallFaults(t *testing.T) {
	s := withTable(t)
	w := pendingWriter(t, s)
	if _, err := w.appendAt(0, w.row("a")); err != nil {
		t.Fatal(err)
	}
	var faults []*Fault
	var seen []string
	s.OnCall(func(c *Call) *Fault {
		seen = append(seen, c.Method)
		if c.Table != "t" || len(faults) == 0 {
			return nil
		}
		f := faults[0]
		faults = faults[1:]
		return f
	})
	c := rawClient(t, s)
	finalize := func() error {
		_, err := c.FinalizeWriteStream(deadline(t), &storagepb.FinalizeWriteStreamRequest{Name: w.ms.StreamName()})
		return err
	}
	faults = []*Fault{{Code: codes.Unavailable}}
	if err := finalize(); status.Code(err) != codes.Unavailable {
		t.Errorf("finalize: %v, want Unavailable", err)
	}
	if _, err := w.appendAt(1, w.row("b")); err != nil {
		t.Errorf("append after a finalize that took no effect: %v", err)
	}
	faults = []*Fault{{Code: codes.Internal, Written: true}}
	if err := finalize(); status.Code(err) != codes.Internal {
		t.Errorf("finalize: %v, want Internal", err)
	}
	if _, err := w.appendAt(2, w.row("c")); storageCode(err) != storagepb.StorageError_STREAM_FINALIZED {
		t.Errorf("append after a finalize whose answer was lost: %v", err)
	}
	faults = []*Fault{{StreamErrors: storagepb.StorageError_INVALID_STREAM_STATE}, {Code: codes.Unavailable, Written: true}}
	if resp, err := commitOf(t, s, w.ms.StreamName()); err != nil || len(resp.GetStreamErrors()) != 1 || s.NumRows("t") != 0 {
		t.Errorf("commit: %v, %v, %d rows; want a stream error and none", resp, err, s.NumRows("t"))
	}
	if _, err := commitOf(t, s, w.ms.StreamName()); status.Code(err) != codes.Unavailable || s.NumRows("t") != 2 {
		t.Errorf("commit: %v, %d rows; want Unavailable and 2", err, s.NumRows("t"))
	}
	if want := []string{"FinalizeWriteStream", "FinalizeWriteStream", "BatchCommitWriteStreams", "BatchCommitWriteStreams"}; !slices.Equal(seen, want) {
		t.Errorf("calls %q, want %q", seen, want)
	}
}

// TestLate lets a request linger until after its connection has ended. It
// would catch one that is lost or comes at an offset that no longer fits.
func TestLate(t *testing.T) {
	s := withTable(t)
	w := pendingWriter(t, s)
	for offset, late := range []time.Duration{time.Millisecond, 200 * time.Millisecond} {
		s.Next("t", &Fault{Reset: true, Code: codes.Unavailable, Late: late})
		if _, err := pendingAgain(t, s, w).appendAt(int64(offset), w.row("late")); status.Code(err) != codes.Unavailable {
			t.Fatalf("append: %v, want Unavailable", err)
		}
		for s.Stats("t").Written == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if _, err := pendingAgain(t, s, w).appendAt(1, w.row("in time")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if n, err := w.ms.Finalize(deadline(t)); n != 2 || err != nil {
		t.Errorf("%d rows, %v; want the first that was late, and the one that was in time", n, err)
	}
}

// pendingAgain opens another connection to a writer's stream.
func pendingAgain(t *testing.T, s *Server, w *writer) *writer {
	t.Helper()
	_, dp := message(t, schema())
	ms, err := writeClient(t, s).NewManagedStream(t.Context(), managedwriter.WithStreamName(w.ms.StreamName()), managedwriter.WithSchemaDescriptor(dp))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ms.Close() })
	return &writer{t, w.m, ms}
}
