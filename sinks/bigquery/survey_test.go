package bigquery

import (
	"net/http"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

func survey(t *testing.T, c Config) (Survey, error) {
	t.Helper()
	w, err := OpenWarehouse(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.Survey(t.Context())
}

func (s *Survey) table(name string) TableSurvey {
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return TableSurvey{}
}

// A dataset that a worker can write to must be surveyed as such, and nothing
// may be written to find out.
func TestSurvey(t *testing.T) {
	server, c := start(t)
	s, err := survey(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Project != project || s.Location != "EU" || s.TableExpiration != 0 || s.PartitionExpiration != 0 || len(s.Tables) != transform.NumTables {
		t.Errorf("dataset: %+v", s)
	}
	for _, table := range s.Tables {
		if table.Missing || table.Err != nil || table.StreamErr != nil || table.ReadOnly || !table.Expires.IsZero() || table.PartitionExpiration != 0 {
			t.Errorf("table: %+v", table)
		}
		if n := server.Stats(table.Name).Appends; n != 0 {
			t.Errorf("%s: %d appends", table.Name, n)
		}
	}
}

// What is wrong must be found where it is and nowhere else: a table that is
// missing, one that may not be written, and times after which BigQuery deletes.
func TestSurveyFindsWhatIsWrong(t *testing.T) {
	server, c := start(t)
	if err := server.Drop("erasures"); err != nil {
		t.Fatal(err)
	}
	server.Deny("dead_letters", true)
	w, err := OpenWarehouse(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	expires := time.Now().Add(24 * time.Hour).Truncate(time.Millisecond)
	if _, err := w.dataset.Table("sync_batches").Update(t.Context(), bq.TableMetadataToUpdate{ExpirationTime: expires}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.dataset.Update(t.Context(), bq.DatasetMetadataToUpdate{DefaultTableExpiration: 48 * time.Hour, DefaultPartitionExpiration: 72 * time.Hour}, ""); err != nil {
		t.Fatal(err)
	}
	s, err := w.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.TableExpiration != 48*time.Hour || s.PartitionExpiration != 72*time.Hour {
		t.Errorf("dataset: %+v", s)
	}
	for _, got := range s.Tables {
		wrong := got.Missing || got.StreamErr != nil || got.ReadOnly || !got.Expires.IsZero()
		switch got.Name {
		case "erasures":
			wrong = !got.Missing
		case "dead_letters":
			wrong = !isDenied(got.StreamErr) || !got.ReadOnly
		case "sync_batches":
			wrong = !got.Expires.Equal(expires)
		}
		if wrong || got.Err != nil {
			t.Errorf("table: %+v", got)
		}
	}
}

// A storage service that fails once is asked again; one that stays away is an
// error with its cause, soon.
func TestSurveyWhileStorageIsAway(t *testing.T) {
	server, c := start(t)
	server.Down(true)
	s, err := survey(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.table("events_log").StreamErr; err == nil || !strings.Contains(err.Error(), "Unavailable") {
		t.Errorf("stream: %v", err)
	}
}

// The error of a dataset names it, and whether queries are taken is told by
// the service alone.
func TestSurveyErrors(t *testing.T) {
	server := bqtest.New(t)
	c := configOf(server)
	if _, err := survey(t, c); !isNotFound(err) || !strings.Contains(err.Error(), "look at dataset jing_leads") {
		t.Errorf("no dataset: %v", err)
	}
	w, err := OpenWarehouse(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	server.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		if !q.DryRun {
			t.Errorf("a query was run: %s", q.SQL)
		}
		return &bqtest.Result{}, nil
	})
	if err := w.MayQuery(t.Context()); err != nil {
		t.Errorf("queries: %v", err)
	}
	server.OnQuery(func(*bqtest.Query) (*bqtest.Result, error) {
		return nil, &googleapi.Error{Code: http.StatusForbidden, Message: "no bigquery.jobs.create", Errors: []googleapi.ErrorItem{{Reason: "accessDenied"}}}
	})
	if err := w.MayQuery(t.Context()); !isDenied(err) {
		t.Errorf("queries denied: %v", err)
	}
}
