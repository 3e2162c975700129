package bigquery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The library waits 20 s before it ends a connection it has replaced.
		goleak.IgnoreAnyFunction("cloud.google.com/go/bigquery/storage/managedwriter.(*connection).getStream.func1"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
	)
}

const (
	project = "test-project"
	dataset = "jing_leads"
)

// quick makes faults pass in milliseconds.
var quick = pacing{
	transient: pace{time.Millisecond, 10 * time.Millisecond},
	throttled: pace{time.Millisecond, 10 * time.Millisecond},
	setup:     pace{time.Millisecond, 20 * time.Millisecond},
	patience:  40 * time.Millisecond,
}

func configOf(server *bqtest.Server) Config {
	return Config{
		ProjectID:       project,
		Dataset:         dataset,
		Location:        "EU",
		Endpoint:        server.RESTURL(),
		StorageEndpoint: server.StorageAddr(),
		Insecure:        true,
		pacing:          &quick,
	}
}

// apply brings tables and views of the server to their definitions.
func apply(t testing.TB, c Config) {
	t.Helper()
	w, err := OpenWarehouse(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	plan, err := w.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

// start returns a server with all tables.
func start(t testing.TB) (*bqtest.Server, Config) {
	t.Helper()
	server := bqtest.New(t)
	c := configOf(server)
	apply(t, c)
	return server, c
}

func openSink(t testing.TB, c Config) *Sink {
	t.Helper()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// eventRow returns a row of events_log with the given id and notes.
func eventRow(id, notes string) []any {
	row := make([]any, len(transform.EventsLog.Table().Columns))
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i, c := range transform.EventsLog.Table().Columns {
		switch {
		case c.Name == "event_id":
			row[i] = id
		case c.Name == "notes":
			row[i] = notes
		case c.Mode != transform.Required:
		case c.Type == transform.Timestamp:
			row[i] = now
		default:
			row[i] = "x"
		}
	}
	return row
}

// values returns the server's rows in the form of [transform.Table.Values].
func values(server *bqtest.Server, id transform.TableID) [][]any {
	var rows [][]any
	for _, m := range server.Rows(id.String()) {
		rows = append(rows, rowValues(id.Table().Columns, m))
	}
	return rows
}

func rowValues(cols []transform.Column, m map[string]any) []any {
	row := make([]any, len(cols))
	for i, c := range cols {
		list, _ := m[c.Name].([]any)
		switch {
		case c.Mode != transform.Repeated:
			row[i] = m[c.Name]
		case len(list) == 0:
		case c.Type == transform.Record:
			var records [][]any
			for _, r := range list {
				records = append(records, rowValues(c.Columns, r.(map[string]any)))
			}
			row[i] = records
		default:
			var texts []string
			for _, s := range list {
				texts = append(texts, s.(string))
			}
			row[i] = texts
		}
	}
	return row
}

// ids returns how often each event is in events_log.
func ids(server *bqtest.Server) map[string]int {
	n := make(map[string]int)
	for _, row := range server.Rows("events_log") {
		n[row["event_id"].(string)]++
	}
	return n
}

// observed is an observer that counts.
type observed struct {
	mu       sync.Mutex
	rows     int
	bytes    int
	appended int
	retried  map[sinks.Class]int
}

func (o *observed) Appended(_ transform.TableID, rows, bytes int, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.appended++
	o.rows += rows
	o.bytes += bytes
}

func (o *observed) Retried(_ transform.TableID, class sinks.Class) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.retried == nil {
		o.retried = make(map[sinks.Class]int)
	}
	o.retried[class]++
}

func (o *observed) count(class sinks.Class) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.retried[class]
}

// logged keeps the log's messages.
type logged struct {
	slog.Handler
	mu   sync.Mutex
	list []string
}

func newLogged() *logged { return &logged{Handler: slog.DiscardHandler} }

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	l.list = append(l.list, text)
	return nil
}

func (l *logged) messages() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.list...)
}

// eventually waits for what must come about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func loggerOf(l *logged) *slog.Logger { return slog.New(l) }
