package bigquery

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/api/googleapi"

	"leadsync/sinks/bigquery/bqtest"
)

// executed is what a server was asked to run, dry or not.
type executed struct {
	mu       sync.Mutex
	dry, ran []string
	fails    string // a statement that fails when it is run
}

func (e *executed) answer(q *bqtest.Query) (*bqtest.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case q.DryRun && strings.Contains(q.SQL, "nonsense"):
		return nil, errors.New("Syntax error")
	case q.DryRun:
		e.dry = append(e.dry, q.SQL)
		return &bqtest.Result{}, nil
	case q.SQL == e.fails:
		return nil, errors.New("it went wrong")
	}
	e.ran = append(e.ran, q.SQL)
	return &bqtest.Result{AffectedRows: int64(10 * len(e.ran))}, nil
}

func executing(t *testing.T) (*Warehouse, *executed) {
	server, c := start(t)
	e := &executed{}
	server.OnQuery(e.answer)
	return openWarehouse(t, c), e
}

var changes = []string{"INSERT INTO a VALUES (1)", "DELETE FROM b WHERE true", "UPDATE c SET d = 1 WHERE true"}

// TestExecute would catch statements out of order or run twice, and counts
// that are not those of the service.
func TestExecute(t *testing.T) {
	w, e := executing(t)
	counts, err := w.Execute(t.Context(), changes...)
	if err != nil || !slices.Equal(counts, []int64{10, 20, 30}) || !slices.Equal(e.ran, changes) {
		t.Errorf("ran %q, changed %v, %v", e.ran, counts, err)
	}
	if counts, err := w.Execute(t.Context()); err != nil || len(counts) > 0 {
		t.Errorf("without a statement: %v, %v", counts, err)
	}
}

// TestExecuteFails would catch statements that are run after one has failed,
// and counts of those before it that are lost.
func TestExecuteFails(t *testing.T) {
	w, e := executing(t)
	e.fails = changes[1]
	counts, err := w.Execute(t.Context(), changes...)
	if err == nil || !strings.Contains(err.Error(), "statement 2 of 3") || !slices.Equal(counts, []int64{10}) || len(e.ran) != 1 {
		t.Errorf("ran %q, changed %v, %v", e.ran, counts, err)
	}
}

// TestExecuteRefuses would catch a first statement that is run before the last
// is known to be wrong, and one that is no change of rows.
func TestExecuteRefuses(t *testing.T) {
	w, e := executing(t)
	for _, bad := range []string{"nonsense", "SELECT 1", "DROP TABLE a", "TRUNCATE TABLE a"} {
		if _, err := w.Execute(t.Context(), changes[0], bad); err == nil || !strings.Contains(err.Error(), "statement 2 of 2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if len(e.ran) > 0 {
		t.Errorf("ran %q", e.ran)
	}
}

// TestExecuteOnce loses the answer to a job that was taken. It catches a
// statement that is then run a second time, or whose rows are not counted.
func TestExecuteOnce(t *testing.T) {
	for _, location := range []string{"EU", ""} {
		server, c := start(t)
		e := &executed{}
		server.OnQuery(e.answer)
		target, err := url.Parse(c.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		lost := 0
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ModifyResponse = func(r *http.Response) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			if r.Request.Method == http.MethodPost && len(e.ran) > lost {
				lost++
				r.StatusCode, r.Body = http.StatusServiceUnavailable, io.NopCloser(strings.NewReader("{}"))
				r.ContentLength = 2
				r.Header.Set("Content-Length", "2")
			}
			return nil
		}
		front := httptest.NewServer(proxy)
		t.Cleanup(front.Close)
		c.Endpoint, c.Location = front.URL, location
		counts, err := openWarehouse(t, c).Execute(t.Context(), changes[:1]...)
		if err != nil || !slices.Equal(counts, []int64{10}) || lost != 1 || len(e.ran) != 1 {
			t.Errorf("location %q: ran %q, lost %d answers, changed %v, %v", location, e.ran, lost, counts, err)
		}
	}
}

// TestExecuteDenied would catch a lack of rights that is not told.
func TestExecuteDenied(t *testing.T) {
	server, c := start(t)
	server.FailREST(func(r *http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/jobs") {
			return &googleapi.Error{Code: http.StatusForbidden, Message: "User does not have bigquery.jobs.create permission",
				Errors: []googleapi.ErrorItem{{Reason: "accessDenied"}}}
		}
		return nil
	})
	_, err := openWarehouse(t, c).Execute(t.Context(), changes...)
	if err == nil || !strings.Contains(err.Error(), "bigquery.jobs.create") {
		t.Errorf("error %v", err)
	}
}
