package bqtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestFaults would catch a fault that fails in another way than it says, or
// that writes what it says it does not.
func TestFaults(t *testing.T) {
	const schemaError = storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS
	for name, test := range map[string]struct {
		fault    Fault
		code     codes.Code
		eof      bool
		storage  storagepb.StorageError_StorageErrorCode
		rows     int // written
		answered bool
	}{
		"none":                       {fault: Fault{}, rows: 2, storage: -1, answered: true},
		"delay":                      {fault: Fault{Delay: time.Millisecond}, rows: 2, storage: -1, answered: true},
		"answer":                     {fault: Fault{Code: codes.Unavailable}, code: codes.Unavailable, storage: -1, answered: true},
		"answer, written":            {fault: Fault{Code: codes.Internal, Written: true}, code: codes.Internal, storage: -1, rows: 2, answered: true},
		"answer with storage code":   {fault: Fault{Code: codes.InvalidArgument, Storage: schemaError}, code: codes.InvalidArgument, storage: schemaError, answered: true},
		"reset":                      {fault: Fault{Code: codes.Aborted, Reset: true}, code: codes.Aborted, storage: -1},
		"reset, written":             {fault: Fault{Code: codes.Unavailable, Reset: true, Written: true}, code: codes.Unavailable, storage: -1, rows: 2},
		"reset with storage code":    {fault: Fault{Code: codes.InvalidArgument, Storage: schemaError, Reset: true}, code: codes.InvalidArgument, storage: schemaError},
		"end of stream":              {fault: Fault{Reset: true}, eof: true, storage: -1},
		"end of stream, written":     {fault: Fault{Reset: true, Written: true}, eof: true, storage: -1, rows: 2},
		"one row":                    {fault: Fault{RefuseRows: []int{1}}, code: codes.InvalidArgument, answered: true},
		"one row, written elsewhere": {fault: Fault{RefuseRows: []int{1}, Written: true}, code: codes.InvalidArgument, answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTable(t)
			w := newWriter(t, s)
			var seen []*Append
			s.Fault(func(a *Append) *Fault {
				seen = append(seen, a)
				if a.N > 1 {
					return nil
				}
				return &test.fault
			})
			resp, err := w.append(w.row("a"), w.row("b"))
			switch {
			case test.eof && !errors.Is(err, io.EOF):
				t.Errorf("error %v, want EOF", err)
			case !test.eof && status.Code(err) != test.code:
				t.Errorf("error %v, want %v", err, test.code)
			case !test.eof && storageCode(err) != test.storage:
				t.Errorf("storage code %v, want %v", storageCode(err), test.storage)
			case (resp != nil) != test.answered:
				t.Errorf("answer %v, want one: %v", resp, test.answered)
			}
			if n := s.NumRows("t"); n != test.rows {
				t.Errorf("%d rows were written, want %d", n, test.rows)
			}
			if a := seen[0]; a.Project != project || a.Dataset != ds || a.Table != "t" || a.N != 1 || a.Bytes == 0 || a.Rows[1]["id"] != "b" {
				t.Errorf("append %+v", a)
			}
			// The client learns of a lost connection only by its next request.
			for try := 0; ; try++ {
				if _, err = w.append(w.row("c")); err == nil {
					break
				} else if try == 2 {
					t.Fatalf("append after it: %v", err)
				}
			}
			if n := s.NumRows("t"); n != test.rows+1 {
				t.Errorf("%d rows after a good append, want %d", n, test.rows+1)
			}
		})
	}
}

// TestNext would catch a queue out of order, and one that does not come
// before the script.
func TestNext(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	s.Fault(func(*Append) *Fault { return &Fault{Code: codes.DataLoss} })
	s.Next("t", &Fault{Code: codes.Aborted}, nil, &Fault{Code: codes.Internal})
	s.Next("other", &Fault{Code: codes.Unknown})
	var got []codes.Code
	for range 4 {
		_, err := w.append(w.row("a"))
		got = append(got, status.Code(err))
	}
	if want := []codes.Code{codes.Aborted, codes.OK, codes.Internal, codes.DataLoss}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	s.Fault(nil)
	if _, err := w.append(w.row("a")); err != nil {
		t.Errorf("without a script: %v", err)
	}
}

// TestUnanswered would catch a slow or stuck append that keeps the server
// from reading on, or from closing.
func TestUnanswered(t *testing.T) {
	for name, test := range map[string]struct {
		fault   Fault
		appends int // that reach the server
		rows    int
	}{
		"slow":           {Fault{Delay: time.Hour}, 2, 2},
		"stuck":          {Fault{Stuck: true}, 1, 0},
		"stuck, written": {Fault{Stuck: true, Written: true}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTable(t)
			w := newWriter(t, s)
			s.Next("t", &test.fault)
			ctx := deadline(t)
			var results []*managedwriter.AppendResult
			for range 2 {
				r, err := w.ms.AppendRows(ctx, [][]byte{w.row("a")})
				if err != nil {
					t.Fatal(err)
				}
				results = append(results, r)
			}
			for s.Stats("t").Appends < test.appends {
				time.Sleep(time.Millisecond)
			}
			for s.NumRows("t") != test.rows {
				if ctx.Err() != nil {
					t.Fatalf("%d rows, want %d", s.NumRows("t"), test.rows)
				}
				time.Sleep(time.Millisecond)
			}
			for i, r := range results {
				select {
				case <-r.Ready():
					t.Errorf("append %d was answered", i)
				default:
				}
			}
			w.ms.Close()
			for i, r := range results {
				if _, err := r.FullResponse(ctx); err == nil {
					t.Errorf("append %d: no error after the stream was closed", i)
				}
			}
		})
	}
}

// TestRefuse would catch a row that a test wants refused and is written, and
// a list of row errors that is not cut as asked for.
func TestRefuse(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	s.Refuse("d.t", func(row map[string]any) bool { return row["id"] == "poison" })
	for _, test := range []struct{ list, want int }{{-1, 3}, {2, 2}, {1, 1}, {0, 0}} {
		s.ListRowErrors("d.t", test.list)
		resp, err := w.append(w.row("poison"), w.row("a"), badRows["no JSON"](w), w.row("poison"))
		if status.Code(err) != codes.InvalidArgument || len(resp.GetRowErrors()) != test.want {
			t.Errorf("listing %d: %v, %v, want %d row errors", test.list, err, resp.GetRowErrors(), test.want)
		}
	}
	if n := s.NumRows("t"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	s.Refuse("d.t", nil)
	if _, err := w.append(w.row("poison")); err != nil {
		t.Errorf("after it was lifted: %v", err)
	}
}

// TestConcurrent would catch a data race, and rows lost or doubled under
// concurrent appends with faults.
func TestConcurrent(t *testing.T) {
	s := withTable(t)
	failed := 0
	s.Fault(func(a *Append) *Fault {
		if a.N%3 == 0 {
			failed++
			return &Fault{Code: codes.Internal}
		}
		return nil
	})
	m, dp := message(t, schema())
	c := writeClient(t, s)
	var wg sync.WaitGroup
	for i := range 4 {
		ms, err := c.NewManagedStream(context.Background(), managedwriter.WithType(managedwriter.DefaultStream),
			managedwriter.WithDestinationTable("projects/p/datasets/d/tables/t"), managedwriter.WithSchemaDescriptor(dp))
		if err != nil {
			t.Fatal(err)
		}
		w := &writer{t, m, ms}
		wg.Go(func() {
			defer ms.Close()
			for j := range 30 {
				if _, err := w.append(w.row(fmt.Sprint(i, "/", j))); err != nil && status.Code(err) != codes.Internal {
					t.Error(err)
				}
				s.Rows("t")
				s.Stats("t")
			}
		})
	}
	wg.Wait()
	ids := map[any]bool{}
	for _, row := range s.Rows("t") {
		ids[row["id"]] = true
	}
	if n := s.NumRows("t"); n != 80 || len(ids) != 80 || failed != 40 {
		t.Errorf("%d rows, %d ids, %d failed, want 80, 80 and 40", n, len(ids), failed)
	}
}
