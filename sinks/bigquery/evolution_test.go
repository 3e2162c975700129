package bigquery

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

// without makes the metadata those of a table whose definition lacked a column.
func without(column string) func(*bq.TableMetadata) {
	return func(m *bq.TableMetadata) {
		var rest bq.Schema
		for _, f := range m.Schema {
			if f.Name != column {
				rest = append(rest, f)
			}
		}
		m.Schema = rest
	}
}

// older puts a table of an older definition in place of events_log.
func older(t testing.TB, server *bqtest.Server, c Config, alter func(*bq.TableMetadata)) {
	t.Helper()
	meta := metadataOf(transform.EventsLog.Table(), c)
	alter(meta)
	if err := errors.Join(server.Drop("events_log"), server.CreateTable(project, dataset, "events_log", meta)); err != nil {
		t.Fatal(err)
	}
}

// TestWorkerOfOlderDefinition lets a table gain a column under an open stream,
// as the schema apply of a newer version does. It catches a worker that holds
// rows, or refuses them, for a column that it does not know, on the stream it
// has and on one it opens later.
func TestWorkerOfOlderDefinition(t *testing.T) {
	server, c := start(t)
	var seen observed
	c.Observer = &seen
	s := openSink(t, c)
	if err := s.Write(t.Context(), rowsOf(0, 10)); err != nil {
		t.Fatal(err)
	}
	w := openWarehouse(t, c)
	live := liveTable(t, w, "events_log")
	gained := append(live.Schema, &bq.FieldSchema{Name: "lead_score", Type: bq.StringFieldType})
	if _, err := w.dataset.Table("events_log").Update(t.Context(), bq.TableMetadataToUpdate{Schema: gained}, live.ETag); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), rowsOf(10, 20)); err != nil {
		t.Fatal(err)
	}
	if n := seen.count(sinks.Setup) + seen.count(sinks.Transient); n > 0 {
		t.Errorf("%d retries on the stream that was open", n)
	}
	server.Disconnect()
	if err := s.Write(t.Context(), rowsOf(20, 30)); err != nil {
		t.Fatal(err)
	}
	if seen.count(sinks.Setup) > 0 {
		t.Error("a new stream was refused for a column that is not ours")
	}
	again := openSink(t, c) // and a worker that begins now
	if err := again.Write(t.Context(), rowsOf(30, 40)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 40, true)
	for _, row := range server.Rows("events_log") {
		if row["lead_score"] != nil {
			t.Errorf("event %v has a value in the new column", row["event_id"])
		}
	}
	if plan := planOf(t, w); len(plan) > 0 {
		t.Errorf("the plan touches a column that is not ours:\n%s", actions(plan))
	}
}

// rowsOf returns rows of the events from e(from) to e(to-1).
func rowsOf(from, to int) *transform.Rows {
	rows := new(transform.Rows)
	all := events(to)
	for i := from; i < to; i++ {
		rows.Append(transform.EventsLog, all.Row(transform.EventsLog, i))
	}
	return rows
}

// TestColumnIsGone takes a column away from a running worker, and gives it
// back late. It catches rows that are refused or lost because of it, a cause
// that does not name the table and the column, a worker that does not go on by
// itself once schema apply was run, and old rows that have a value after it.
func TestColumnIsGone(t *testing.T) {
	for _, lag := range []int{0, 4, -1} {
		t.Run(fmt.Sprint("lag ", lag), func(t *testing.T) {
			server, c := start(t)
			log := newLogged()
			c.Logger = loggerOf(log)
			s := openSink(t, c)
			older(t, server, c, without("notes"))
			server.Lag("events_log", lag)
			held(t, s, events(30), func() {
				if rows := server.Rows("events_log"); len(rows) > 0 {
					t.Errorf("%d rows were written without a column", len(rows))
				}
				apply(t, c)
			}, "events_log", "notes", `run "leadsync schema apply"`)
			wantIDs(t, server, 30, false)
			for _, row := range server.Rows("events_log") {
				if row["notes"] != "n" {
					t.Errorf("event %v has notes %v", row["event_id"], row["notes"])
				}
			}
			if got := strings.Join(log.messages(), "\n"); !strings.Contains(got, "table=events_log") || !strings.Contains(got, "notes") {
				t.Errorf("the log does not name table and column:\n%s", got)
			}
		})
	}
}

// TestOldRowsAreNull gives a table with rows a new column. It catches rows
// that are gone or changed, and an old row that shows a value.
func TestOldRowsAreNull(t *testing.T) {
	server, c := start(t)
	row := map[string]any{"event_id": "old", "sequence": "s", "tenant_id": "1", "event_type": "x"}
	older(t, server, c, without("notes"))
	if err := server.Change("events_log", func(rows []map[string]any) []map[string]any { return append(rows, row) }); err != nil {
		t.Fatal(err)
	}
	w := openWarehouse(t, c)
	plan := planOf(t, w)
	if got := actions(plan); got != "table events_log: add column notes" {
		t.Fatalf("plan:\n%s", got)
	}
	if err := w.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	rows := server.Rows("events_log")
	if len(rows) != 1 || rows[0]["event_id"] != "old" || rows[0]["notes"] != nil {
		t.Errorf("rows after the change: %v", rows)
	}
}

// TestOpenBehind tells tables that will do in a while, for which a worker
// waits, from those for which it would wait in vain.
func TestOpenBehind(t *testing.T) {
	for _, test := range []struct {
		name   string
		alter  func(*bq.TableMetadata)
		gone   []string // tables that are not there
		behind bool
	}{
		{"a column is missing", without("extra"), nil, true},
		{"a column must not be NULL", func(m *bq.TableMetadata) { field(m.Schema, "notes").Required = true }, nil, true},
		{"a nested column is missing", func(m *bq.TableMetadata) {
			f := field(m.Schema, "changes")
			f.Schema = f.Schema[:len(f.Schema)-1]
		}, nil, true},
		{"a required column is missing", without("sequence"), nil, false},
		{"a column is missing and another has a wrong type", func(m *bq.TableMetadata) {
			without("extra")(m)
			field(m.Schema, "notes").Type = bq.IntegerFieldType
		}, nil, false},
		{"a column is missing and so is a table", without("extra"), []string{"erasures"}, true},
		{"all tables are missing, as in another dataset", func(*bq.TableMetadata) {},
			[]string{"events_log", "transitions_log", "dead_letters", "sync_batches", "erasures", "dead_letter_replays", "backfill_checkpoints"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, c := start(t)
			older(t, server, c, test.alter)
			for _, table := range test.gone {
				if err := server.Drop(table); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(t.Context(), c)
			if err == nil {
				t.Fatal("opened")
			}
			if errors.Is(err, ErrBehind) != test.behind {
				t.Errorf("ErrBehind %t, want %t: %v", !test.behind, test.behind, err)
			}
			if !says(err, "table events_log", `leadsync schema apply`) {
				t.Errorf("error %v, want it to name the table and the remedy", err)
			}
		})
	}
}
