package bqtest

import (
	"errors"
	"io"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestSchemaLag would catch a connection that learns of a new column too soon
// or never.
func TestSchemaLag(t *testing.T) {
	wider := append(schema(), &bq.FieldSchema{Name: "more", Type: bq.StringFieldType})
	grow := func(t *testing.T, s *Server) {
		t.Helper()
		if err := s.SetSchema(project, ds, "t", wider); err != nil {
			t.Fatal(err)
		}
	}
	// tries appends a row of the wider schema, and returns how often that was
	// refused before it went through, at most most.
	tries := func(t *testing.T, w *writer, most int) int {
		t.Helper()
		m, dp := message(t, wider)
		wide := writer{t, m, w.ms}
		for n, lost := 0, 0; ; n++ {
			ctx := deadline(t)
			r, err := w.ms.AppendRows(ctx, [][]byte{wide.row("a")}, managedwriter.UpdateSchemaDescriptor(dp))
			if err == nil {
				_, err = r.FullResponse(ctx)
			}
			if err == nil || n == most {
				return n
			}
			if errors.Is(err, io.EOF) && lost <= most {
				lost++
				n-- // The end of a connection that was refused.
			} else if storageCode(err) != storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS {
				t.Fatal(err)
			}
		}
	}
	t.Run("at once", func(t *testing.T) {
		s := withTable(t)
		w := newWriter(t, s)
		first, err := w.append(w.row("a"))
		if err != nil || first.GetUpdatedSchema() != nil {
			t.Fatalf("%v, %v", first, err)
		}
		grow(t, s)
		resp, err := w.append(w.row("a"))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(resp.GetUpdatedSchema().GetFields()); got != len(wider) {
			t.Errorf("the answer told of %d columns, want %d", got, len(wider))
		}
		if resp, err = w.append(w.row("a")); err != nil || resp.GetUpdatedSchema() != nil {
			t.Errorf("the answer after it: %v, %v, want no columns", resp, err)
		}
		if n := tries(t, w, 9); n != 0 {
			t.Errorf("refused %d times, want 0", n)
		}
	})
	t.Run("after three appends", func(t *testing.T) {
		s := withTable(t)
		s.Lag("t", 3)
		w := newWriter(t, s)
		grow(t, s)
		if n := tries(t, w, 9); n != 3 {
			t.Errorf("refused %d times, want 3", n)
		}
	})
	t.Run("until reopened", func(t *testing.T) {
		s := withTable(t)
		s.Lag("t", -1)
		r := newRequests(t)
		call, err := rawClient(t, s).AppendRows(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(req *storagepb.AppendRowsRequest) error {
			if err := call.Send(req); err != nil {
				return err
			}
			_, err := call.Recv()
			return err
		}
		if err := ask(r.full(r.w.row("a"))); err != nil {
			t.Fatal(err)
		}
		grow(t, s)
		if err := ask(r.bare(r.w.row("a"))); err != nil {
			t.Errorf("row without the new column: %v", err)
		}
		m, dp := message(t, wider)
		wide := &requests{&writer{t: t, m: m}, &storagepb.ProtoSchema{ProtoDescriptor: dp}}
		if err := ask(wide.full(wide.w.row("b"))); storageCode(err) != storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS {
			t.Errorf("old connection: %v, want a schema mismatch", err)
		}
		if call, err = rawClient(t, s).AppendRows(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if err := ask(wide.full(wide.w.row("b"))); err != nil {
			t.Errorf("new connection: %v", err)
		}
	})
}

// TestOutages would catch an outage that lets appends through, or that does
// not end.
func TestOutages(t *testing.T) {
	for name, test := range map[string]struct {
		begin, end func(s *Server)
		code       codes.Code
	}{
		"down":   {func(s *Server) { s.Down(true) }, func(s *Server) { s.Down(false) }, codes.Unavailable},
		"denied": {func(s *Server) { s.Deny("t", true) }, func(s *Server) { s.Deny("t", false) }, codes.PermissionDenied},
		"dropped": {func(s *Server) {
			if err := s.Drop("t"); err != nil {
				t.Error(err)
			}
		}, func(s *Server) {
			if err := s.CreateTable(project, ds, "t", metadata()); err != nil {
				t.Error(err)
			}
		}, codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTable(t)
			w := newWriter(t, s)
			if _, err := w.append(w.row("a")); err != nil {
				t.Fatal(err)
			}
			test.begin(s)
			before := s.NumRows("t")
			if _, err := w.append(w.row("a")); status.Code(err) != test.code {
				t.Errorf("error %v, want %v", err, test.code)
			}
			if n := s.NumRows("t"); n != before {
				t.Errorf("%d rows were written", n-before)
			}
			test.end(s)
			if _, err := w.append(w.row("a")); err != nil {
				if _, err = w.append(w.row("a")); err != nil {
					t.Errorf("after its end: %v", err)
				}
			}
		})
	}
}

// TestRecreated would catch rows that are checked against a table that was
// there before.
func TestRecreated(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	if _, err := w.append(w.row("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop("t"); err != nil {
		t.Fatal(err)
	}
	m := metadata()
	m.Schema[2].Required = true
	if err := s.CreateTable(project, ds, "t", m); err != nil {
		t.Fatal(err)
	}
	if _, err := w.append(w.row("a")); status.Code(err) != codes.InvalidArgument || s.NumRows("t") != 0 {
		t.Errorf("row without a column that is required now: %v, %d rows", err, s.NumRows("t"))
	}
	if err := s.Drop("gone"); err == nil {
		t.Error("an absent table was dropped")
	}
}

// TestDisconnect would catch connections that outlive the cut.
func TestDisconnect(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	s.Next("t", &Fault{Stuck: true})
	ctx := deadline(t)
	r, err := w.ms.AppendRows(ctx, [][]byte{w.row("a")})
	if err != nil {
		t.Fatal(err)
	}
	for s.Stats("t").Appends == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Disconnect()
	if _, err := r.FullResponse(ctx); status.Code(err) != codes.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
}
