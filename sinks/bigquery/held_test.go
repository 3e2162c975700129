package bigquery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/grpc/codes"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

// held writes rows while something is wrong, waits until Ready says so in the
// given words, and mends it.
func held(t *testing.T, s *Sink, rows *transform.Rows, mend func(), words ...string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Write(t.Context(), rows) }()
	eventually(t, fmt.Sprintf("the sink says %q", words), func() bool { return says(s.Ready(), words...) })
	select {
	case err := <-done:
		t.Fatalf("Write has returned although it could not write: %v", err)
	default:
	}
	mend()
	if err := <-done; err != nil {
		t.Fatalf("Write after the trouble was over: %v", err)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("still not ready: %v", err)
	}
}

// says reports whether err is one that has all the words.
func says(err error, words ...string) bool {
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			return false
		}
	}
	return err != nil
}

// TestOutage takes the write API down for a while: everything is held, and
// said once it has lasted; nothing is lost or refused.
func TestOutage(t *testing.T) {
	server, c := start(t)
	log := newLogged()
	c.Logger = loggerOf(log)
	s := openSink(t, c)
	server.Down(true)
	held(t, s, events(200), func() { server.Down(false) }, "events_log", "transient", "Unavailable")
	wantIDs(t, server, 200, false)
	got := log.messages()
	if len(got) != 2 || !strings.HasPrefix(got[0], "writes are held back table=events_log class=transient") ||
		!strings.HasPrefix(got[1], "writes go through again table=events_log") {
		t.Errorf("the log has %q, want one line when it began and one when it ended", got)
	}
}

// TestShortOutage is over before patience is: it is nobody's business.
func TestShortOutage(t *testing.T) {
	server, c := start(t)
	log := newLogged()
	c.Logger = loggerOf(log)
	patient := quick
	patient.patience = time.Minute
	c.pacing = &patient
	s := openSink(t, c)
	server.Next("events_log", &bqtest.Fault{Code: codes.Unavailable}, &bqtest.Fault{Code: codes.Unavailable})
	done := make(chan error, 1)
	go func() { done <- s.Write(t.Context(), events(3)) }()
	for {
		if err := s.Ready(); err != nil {
			t.Fatalf("not ready for a hiccup: %v", err)
		}
		select {
		case err := <-done:
			if err != nil || len(log.messages()) > 0 {
				t.Errorf("error %v, log %q, want neither", err, log.messages())
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// TestSlowAnswer has an append that is not failing, only without an answer:
// the sink says so before AppendTimeout is over.
func TestSlowAnswer(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	server.Next("events_log", &bqtest.Fault{Delay: 1500 * time.Millisecond})
	held(t, s, events(2), func() {}, "events_log", "no answer")
	wantIDs(t, server, 2, false)
}

// TestDroppedTable deletes a table under the sink: its rows are held until
// somebody creates it again, those of the other tables go through.
func TestDroppedTable(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	if err := s.Write(t.Context(), events(1)); err != nil {
		t.Fatal(err)
	}
	if err := server.Drop("events_log"); err != nil {
		t.Fatal(err)
	}
	held(t, s, events(50), func() {
		var other transform.Rows
		other.AppendBatch(transform.Batch{ID: "b", WorkerID: "w", Source: "pubsub", StartedAt: time.Now(), CommittedAt: time.Now()})
		if err := s.Write(t.Context(), &other); err != nil {
			t.Errorf("a table that is there was held, too: %v", err)
		}
		apply(t, c)
	}, "events_log", "setup", `run "leadsync schema apply"`)
	wantIDs(t, server, 50, true)
}

// TestDenied takes the permission away and gives it back.
func TestDenied(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	server.Deny("events_log", true)
	held(t, s, events(50), func() { server.Deny("events_log", false) }, "events_log", "setup", "roles/bigquery.dataEditor")
	wantIDs(t, server, 50, false)
}

// TestThrottled exhausts the quota for a while.
func TestThrottled(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	server.Fault(func(*bqtest.Append) *bqtest.Fault { return &bqtest.Fault{Code: codes.ResourceExhausted} })
	held(t, s, events(50), func() { server.Fault(nil) }, "events_log", "throttled", "quota")
	wantIDs(t, server, 50, false)
}

// TestSchemaLag gives a table a new column of which the write API learns late,
// by appends and by connections. Rows are held and the stream is opened again.
func TestSchemaLag(t *testing.T) {
	for _, lag := range []int{5, -1} {
		server := bqtest.New(t)
		c := configOf(server)
		meta := metadataOf(transform.EventsLog.Table(), c)
		all := meta.Schema
		meta.Schema = all[:len(all)-5] // a required column at the end would be refused
		meta.Schema = append(meta.Schema, all[len(all)-4:]...)
		if err := server.CreateTable(project, dataset, "events_log", meta); err != nil {
			t.Fatal(err)
		}
		c.Location = "" // that of the dataset
		_, err := Open(t.Context(), c)
		if err == nil {
			t.Fatal("a table without a column was taken")
		}
		if !says(err, "events_log", "column extra is missing", `run "leadsync schema apply"`) {
			t.Errorf("error %v, want it to name the table, the cause and the remedy", err)
		}

		server.Lag("events_log", lag)
		apply(t, c)
		var seen observed
		c.Observer = &seen
		s := openSink(t, c)
		if err := s.Write(t.Context(), events(20)); err != nil {
			t.Fatal(err)
		}
		wantIDs(t, server, 20, false)
		if lag > 0 && seen.count(sinks.Setup) != lag {
			t.Errorf("%d retries for setup, want %d", seen.count(sinks.Setup), lag)
		}
	}
}

// TestAlteredTable replaces a table by one that takes none of our rows and
// says so as it would of bad rows. Nothing may be refused: the rows are good.
func TestAlteredTable(t *testing.T) {
	for column, alter := range map[string]func(*bq.TableMetadata){
		"notes": func(m *bq.TableMetadata) { field(m.Schema, "notes").Type = bq.IntegerFieldType },
		"shop_id": func(m *bq.TableMetadata) {
			m.Schema = append(m.Schema, &bq.FieldSchema{Name: "shop_id", Type: bq.StringFieldType, Required: true})
		},
	} {
		t.Run(column, func(t *testing.T) {
			server, c := start(t)
			s := openSink(t, c)
			replace := func(alter func(*bq.TableMetadata)) {
				meta := metadataOf(transform.EventsLog.Table(), c)
				alter(meta)
				if err := errors.Join(server.Drop("events_log"), server.CreateTable(project, dataset, "events_log", meta)); err != nil {
					t.Error(err)
				}
			}
			replace(alter)
			held(t, s, events(50), func() { replace(func(*bq.TableMetadata) {}) }, "events_log", "setup", "column "+column)
			wantIDs(t, server, 50, false)
		})
	}
}

func field(schema bq.Schema, name string) *bq.FieldSchema {
	for _, f := range schema {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// TestOpenChecks catches a start with tables that cannot be written to, and a
// refusal to start when only the write API is away.
func TestOpenChecks(t *testing.T) {
	t.Run("missing table", func(t *testing.T) {
		server, c := start(t)
		if err := server.Drop("dead_letters"); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), c)
		if err == nil {
			t.Fatal("opened without a table")
		}
		if !says(err, "dead_letters", `run "leadsync schema apply"`) {
			t.Errorf("error %v, want it to name the table, the cause and the remedy", err)
		}
		if strings.Contains(err.Error(), "sync_batches") {
			t.Errorf("error names a table that is there: %v", err)
		}
	})
	t.Run("no permission", func(t *testing.T) {
		server, c := start(t)
		server.Deny("events_log", true)
		_, err := Open(t.Context(), c)
		if err == nil {
			t.Fatal("opened without permission")
		}
		if !says(err, "events_log", "roles/bigquery.dataEditor") {
			t.Errorf("error %v, want it to name the table, the cause and the remedy", err)
		}
	})
	t.Run("write api away", func(t *testing.T) {
		server, c := start(t)
		server.Down(true)
		s := openSink(t, c)
		held(t, s, events(5), func() { server.Down(false) })
		wantIDs(t, server, 5, false)
	})
	t.Run("no dataset or project", func(t *testing.T) {
		if _, err := Open(t.Context(), Config{Insecure: true}); err == nil {
			t.Error("opened without a dataset")
		}
		if _, err := Open(t.Context(), Config{Dataset: dataset, Insecure: true}); err == nil {
			t.Error("opened without a project")
		}
	})
}
