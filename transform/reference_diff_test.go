package transform_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/transform"
)

var shanghai = sync.OnceValue(func() *time.Location { return zoneNamed("Asia/Shanghai") })

func zoneNamed(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// failer is what *testing.T, *testing.F and *rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// decodeRows decodes the rows of both log tables from a mark on, with a value
// for every column that is not NULL and JSON columns as compact JSON.
func decodeRows(rows *transform.Rows, from transform.Mark) ([]row, error) {
	var out []row
	for _, id := range []transform.TableID{transform.EventsLog, transform.TransitionsLog} {
		table := id.Table()
		for i := from[id]; i < rows.Len(id); i++ {
			values, err := table.Values(nil, rows.Row(id, i))
			if err != nil {
				return nil, err
			}
			r := row{table.Name, map[string]any{}}
			for j, c := range table.Columns {
				v := values[j]
				if v == nil {
					continue
				}
				if s, ok := v.(string); ok && c.Type == transform.JSON {
					n, err := parse([]byte(s))
					if err != nil {
						return nil, fmt.Errorf("column %s holds no JSON: %w", c.Name, err)
					}
					v = n.String()
				}
				r.columns[c.Name] = v
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// result is what the real implementation made of an event.
type result struct {
	event     transform.Event
	rejection *transform.Rejection
	rows      []row
}

func (r result) expected() expected {
	if r.rejection != nil {
		return expected{reason: fmt.Sprint(r.rejection.Reason)}
	}
	return expected{id: r.event.ID, occurredAt: r.event.OccurredAt.UTC(), rows: r.rows}
}

// run transforms one event and checks what holds for every event: the error
// is a rejection, whose text holds nothing of the payload, and then nothing
// was appended; otherwise there is exactly one row of events_log; the rows
// decode, and share no memory with the payload.
func run(t failer, tr *transform.Transformer, rows *transform.Rows, payload []byte, d transform.Delivery) result {
	t.Helper()
	mark := rows.Mark()
	scratch := bytes.Clone(payload)
	event, err := tr.Transform(rows, scratch, d)
	if !bytes.Equal(scratch, payload) {
		t.Fatalf("payload changed by Transform\n%q", payload)
	}
	clear(scratch)
	got, decodeErr := decodeRows(rows, mark)
	if decodeErr != nil {
		t.Fatalf("rows do not decode: %v\n%q", decodeErr, payload)
	}
	if err != nil {
		var rejection *transform.Rejection
		if !errors.As(err, &rejection) {
			t.Fatalf("error is %T, not a rejection: %v\n%q", err, err, payload)
		}
		if rows.Mark() != mark {
			t.Fatalf("rejected with %v, yet rows were appended\n%q", rejection.Reason, payload)
		}
		if s := rejection.Stage; s != transform.StageDecode && s != transform.StageTransform {
			t.Fatalf("stage %v\n%q", s, payload)
		}
		if strings.Contains(err.Error(), canary) {
			t.Fatalf("the error holds a value of the payload: %v\n%q", err, payload)
		}
		return result{rejection: rejection}
	}
	if n := rows.Len(transform.EventsLog) - mark[transform.EventsLog]; n != 1 {
		t.Fatalf("%d rows of events_log for an event\n%q", n, payload)
	}
	return result{event: event, rows: got}
}

// compare fails if the real implementation's rows are not the reference's.
func compare(t failer, got result, payload []byte, d transform.Delivery, zone *time.Location) {
	t.Helper()
	want := reference(payload, d, zone)
	if diff := cmp.Diff(want, got.expected(), cmp.AllowUnexported(expected{}, row{})); diff != "" {
		t.Fatalf("rows differ from the reference (-want +got):\n%s\nrejection: %v\nevent: %s\nquoted: %q",
			diff, got.rejection, payload, payload)
	}
}

// TestReference holds the real implementation against the reference on
// thousands of generated events, one after the other through the same
// Transformer and Rows. It would catch any column, row or reason that is not
// as the data model says, and state that leaks from one event into the next.
func TestReference(t *testing.T) {
	events := uint64(12_000)
	if testing.Short() {
		events = 5_000
	}
	for i, zone := range []*time.Location{nil, zoneNamed("America/New_York")} {
		readIn := zone
		if zone == nil {
			readIn = shanghai() // the default
		}
		t.Run(readIn.String(), func(t *testing.T) {
			tr := transform.New(transform.Options{Location: zone})
			var rows transform.Rows
			reasons := map[string]int{}
			for seed := range events / 2 {
				g := fromSeed(uint64(i)*events + seed)
				payload, d := g.payload(), g.delivery()
				got := run(t, tr, &rows, payload, d)
				compare(t, got, payload, d, readIn)
				reasons[got.expected().reason]++
				if rows.Total() > 500 {
					rows.Reset()
				}
			}
			t.Logf("outcomes: %v", reasons)
			for _, reason := range []string{
				"", "json_invalid", "json_too_deep", "not_an_object", "event_type_missing", "tenant_missing",
				"event_time_invalid", "event_time_out_of_range", "extra_data_invalid",
			} {
				if reasons[reason] == 0 {
					t.Errorf("no generated event had the outcome %q: the generator does not reach it", reason)
				}
			}
		})
	}
}

// TestReferenceShrinking is TestReference with rapid's generator, which finds
// the smallest event that shows a difference.
func TestReferenceShrinking(t *testing.T) {
	tr := transform.New(transform.Options{})
	d := transform.Delivery{IngestedAt: now, Source: "pubsub"}
	events := rapidEvents()
	rapid.Check(t, func(t *rapid.T) {
		payload := events.Draw(t, "event")
		var rows transform.Rows
		compare(t, run(t, tr, &rows, payload, d), payload, d, shanghai())
	})
}

// TestRowsKeep shows that rows already in a Rows stay as they are while
// others are added and rejected.
func TestRowsKeep(t *testing.T) {
	tr := transform.New(transform.Options{})
	var together transform.Rows
	var want []row
	for seed := range uint64(300) {
		g := fromSeed(seed)
		payload, d := g.payload(), g.delivery()
		run(t, tr, &together, payload, d)
		var alone transform.Rows
		want = append(want, run(t, transform.New(transform.Options{}), &alone, payload, d).rows...)
	}
	got, err := decodeRows(&together, transform.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	byTable := func(rows []row) map[string][]row {
		m := map[string][]row{}
		for _, r := range rows {
			m[r.table] = append(m[r.table], r)
		}
		return m
	}
	if diff := cmp.Diff(byTable(want), byTable(got), cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("rows of events transformed together differ from alone (-alone +together):\n%s", diff)
	}
}
