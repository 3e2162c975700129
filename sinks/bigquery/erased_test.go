package bigquery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// TestErased would catch tombstones that are lost between pages or read by a
// query, and a table that cannot be read taken for an empty one: then erased
// leads would come back.
func TestErased(t *testing.T) {
	server, c := start(t)
	s := openSink(t, c)
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		t.Errorf("a query was run: %s", q.SQL)
		return nil, errors.New("no query is wanted")
	})
	if list, err := s.Erased(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("without tombstones: %v, %v", list, err)
	}
	const n = 300
	var rows transform.Rows
	for i := range n {
		sinktest.Append(&rows, transform.Erasures, []any{transform.DigestEntity(fmt.Sprint(i)).String(), time.Now(), "test"})
	}
	if err := s.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	list, err := s.Erased(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set transform.Erased
	set.Set(list)
	if len(list) != n || set.Len() != n || !set.Has([]byte("299")) {
		t.Errorf("%d tombstones, %d different ones", len(list), set.Len())
	}

	server.FailREST(func(r *http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/data") {
			return &googleapi.Error{Code: http.StatusForbidden, Message: "Permission bigquery.tables.getData denied"}
		}
		return nil
	})
	if _, err := s.Erased(t.Context()); err == nil || !strings.Contains(err.Error(), "bigquery.tables.getData") {
		t.Errorf("denied: %v", err)
	}
	server.FailREST(func(*http.Request) error { return errors.New("away") })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Erased(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the service is away: %v", err)
	}
	server.FailREST(nil)
	rows.Reset()
	sinktest.Append(&rows, transform.Erasures, []any{"no digest", time.Now(), nil})
	if err := s.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erased(t.Context()); err == nil {
		t.Error("what is no digest was read as one")
	}
}

// TestTimeTravel would catch a promise that deleted rows are gone sooner than
// they are.
func TestTimeTravel(t *testing.T) {
	_, c := start(t)
	w := openWarehouse(t, c)
	if d, err := w.TimeTravel(t.Context()); err != nil || d != 7*24*time.Hour {
		t.Errorf("by default %v, %v", d, err)
	}
	if _, err := w.dataset.Update(t.Context(), bq.DatasetMetadataToUpdate{MaxTimeTravel: 48 * time.Hour}, ""); err != nil {
		t.Fatal(err)
	}
	if d, err := w.TimeTravel(t.Context()); err != nil || d != 48*time.Hour {
		t.Errorf("set to two days: %v, %v", d, err)
	}
	c.Dataset = "elsewhere"
	if _, err := openWarehouse(t, c).TimeTravel(t.Context()); !isNotFound(err) {
		t.Errorf("a dataset that is not there: %v", err)
	}
}
