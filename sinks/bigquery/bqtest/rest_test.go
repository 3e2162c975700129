package bqtest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

// reason returns an API error's code and reason.
func reason(err error) string {
	var e *googleapi.Error
	if !errors.As(err, &e) || len(e.Errors) == 0 {
		return fmt.Sprint(err)
	}
	return fmt.Sprint(e.Code, " ", e.Errors[0].Reason)
}

// TestTable would catch a property of a table that does not come back as the
// service returns it.
func TestTable(t *testing.T) {
	s := New(t)
	c, ctx := restClient(t, s), deadline(t)
	table := c.Dataset(ds).Table("t")
	if _, err := table.Metadata(ctx); reason(err) != "404 notFound" {
		t.Errorf("table of an absent dataset: %v", err)
	}
	if err := table.Create(ctx, metadata()); reason(err) != "404 notFound" {
		t.Errorf("create in an absent dataset: %v", err)
	}
	if _, err := c.Dataset(ds).Metadata(ctx); reason(err) != "404 notFound" {
		t.Errorf("absent dataset: %v", err)
	}
	if err := c.Dataset(ds).Create(ctx, &bq.DatasetMetadata{Location: "asia-east1", Description: "leads"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Dataset(ds).Create(ctx, nil); reason(err) != "409 duplicate" {
		t.Errorf("dataset again: %v", err)
	}
	if _, err := table.Metadata(ctx); reason(err) != "404 notFound" {
		t.Errorf("absent table: %v", err)
	}
	in := metadata()
	in.Description = "what it is"
	in.Schema[0].Description = "its name"
	in.Labels = map[string]string{"made_by": "test"}
	in.TimePartitioning.Expiration = time.Hour
	in.RequirePartitionFilter = true
	if err := table.Create(ctx, in); err != nil {
		t.Fatal(err)
	}
	if err := table.Create(ctx, in); reason(err) != "409 duplicate" {
		t.Errorf("table again: %v", err)
	}
	got, err := table.Metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != bq.RegularTable || got.ETag == "" || got.CreationTime.IsZero() || got.FullID != "p:d.t" || got.Location != "asia-east1" {
		t.Errorf("table %+v", got)
	}
	if diff := cmp.Diff(in.Schema, got.Schema); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	p := got.TimePartitioning
	if p == nil || p.Type != bq.DayPartitioningType || p.Field != "at" || p.Expiration != time.Hour || !got.RequirePartitionFilter {
		t.Errorf("partitioning %+v, filter required: %v", p, got.RequirePartitionFilter)
	}
	if got.Clustering == nil || !slices.Equal(got.Clustering.Fields, []string{"id"}) || got.Description != in.Description || got.Labels["made_by"] != "test" {
		t.Errorf("clustering %+v, description %q, labels %v", got.Clustering, got.Description, got.Labels)
	}
	if err := c.Dataset(ds).Delete(ctx); reason(err) != "400 resourceInUse" {
		t.Errorf("delete of a full dataset: %v", err)
	}
	if err := table.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if err := table.Delete(ctx); reason(err) != "404 notFound" {
		t.Errorf("delete again: %v", err)
	}
}

// TestList would catch a table that is listed wrongly, twice or not.
func TestList(t *testing.T) {
	s := withTable(t)
	if err := s.CreateTable(project, ds, "v", &bq.TableMetadata{ViewQuery: "SELECT 1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTable(project, ds, "a", &bq.TableMetadata{Schema: schema()}); err != nil {
		t.Fatal(err)
	}
	it := restClient(t, s).Dataset(ds).Tables(deadline(t))
	it.PageInfo().MaxSize = 2
	var got []string
	for {
		table, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, table.TableID)
	}
	if want := []string{"a", "t", "v"}; !slices.Equal(got, want) {
		t.Errorf("tables %v, want %v", got, want)
	}
}

// TestCreateRefused would catch a table that the service does not create.
func TestCreateRefused(t *testing.T) {
	s := withTable(t)
	c := restClient(t, s)
	column := func(name string, kind bq.FieldType) *bq.FieldSchema { return &bq.FieldSchema{Name: name, Type: kind} }
	for name, edit := range map[string]func(m *bq.TableMetadata){
		"no schema":                  func(m *bq.TableMetadata) { *m = bq.TableMetadata{} },
		"unknown type":               func(m *bq.TableMetadata) { m.Schema[2].Type = "DECIMAL128" },
		"record without fields":      func(m *bq.TableMetadata) { m.Schema[8].Schema = nil },
		"fields without record":      func(m *bq.TableMetadata) { m.Schema[8].Type = bq.StringFieldType },
		"column twice":               func(m *bq.TableMetadata) { m.Schema = append(m.Schema, column("ID", bq.StringFieldType)) },
		"nested column twice":        func(m *bq.TableMetadata) { m.Schema[8].Schema[1].Name = "FIELD" },
		"bad column name":            func(m *bq.TableMetadata) { m.Schema[2].Name = "a-b" },
		"digit first":                func(m *bq.TableMetadata) { m.Schema[2].Name = "1a" },
		"reserved column name":       func(m *bq.TableMetadata) { m.Schema[2].Name = "_PARTITIONTIME" },
		"long column name":           func(m *bq.TableMetadata) { m.Schema[2].Name = strings.Repeat("a", 301) },
		"long column description":    func(m *bq.TableMetadata) { m.Schema[2].Description = strings.Repeat("é", 1025) },
		"long nested description":    func(m *bq.TableMetadata) { m.Schema[8].Schema[0].Description = strings.Repeat("é", 1025) },
		"long table description":     func(m *bq.TableMetadata) { m.Description = strings.Repeat("é", 16385) },
		"bad label":                  func(m *bq.TableMetadata) { m.Labels = map[string]string{"Upper": "x"} },
		"partition column absent":    func(m *bq.TableMetadata) { m.TimePartitioning.Field = "gone" },
		"partition column no time":   func(m *bq.TableMetadata) { m.TimePartitioning.Field = "id" },
		"partition column repeated":  func(m *bq.TableMetadata) { m.Schema[1].Required, m.Schema[1].Repeated = false, true },
		"partition type":             func(m *bq.TableMetadata) { m.TimePartitioning.Type = "WEEK" },
		"filter without partition":   func(m *bq.TableMetadata) { m.TimePartitioning, m.RequirePartitionFilter = nil, true },
		"clustering column absent":   func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"gone"} },
		"clustering column repeated": func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"tags"} },
		"clustering by JSON":         func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"doc"} },
		"clustering twice":           func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"id", "id"} },
		"five clustering columns":    func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"id", "at", "n", "ok", "seen"} },
		"empty view":                 func(m *bq.TableMetadata) { *m = bq.TableMetadata{ViewQuery: " "} },
		"legacy view":                func(m *bq.TableMetadata) { *m = bq.TableMetadata{ViewQuery: "SELECT 1", UseLegacySQL: true} },
		"deep nesting": func(m *bq.TableMetadata) {
			for range 15 {
				m.Schema = bq.Schema{{Name: "r", Type: bq.RecordFieldType, Schema: m.Schema}}
			}
			m.TimePartitioning, m.Clustering = nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := metadata()
			edit(m)
			table := c.Dataset(ds).Table("new")
			if err := table.Create(deadline(t), m); reason(err) != "400 invalid" {
				t.Errorf("error %v, want 400 invalid", err)
			}
			if _, err := table.Metadata(deadline(t)); reason(err) != "404 notFound" {
				t.Errorf("it was created: %v", err)
			}
		})
	}
	if err := c.Dataset(ds).Table("a.b").Create(deadline(t), metadata()); reason(err) != "400 invalid" {
		t.Errorf("bad table name: %v", err)
	}
	if err := c.Dataset("a-b").Create(deadline(t), nil); reason(err) != "400 invalid" {
		t.Errorf("bad dataset name: %v", err)
	}
	most := metadata()
	most.Clustering.Fields = []string{"id", "at", "n", "ok"}
	most.Description, most.Schema[0].Description = strings.Repeat("é", 16384), strings.Repeat("é", 1024)
	if err := c.Dataset(ds).Table("most").Create(deadline(t), most); err != nil {
		t.Errorf("table at the limits: %v", err)
	}
}

// TestFailREST would catch an error that does not reach the client as it is.
func TestFailREST(t *testing.T) {
	s := withTable(t)
	s.FailREST(func(r *http.Request) error {
		if r.Method == http.MethodGet && r.URL.Path == "/projects/p/datasets/d/tables/t" {
			return &googleapi.Error{Code: 403, Message: "no", Errors: []googleapi.ErrorItem{{Reason: "accessDenied"}}}
		}
		return nil
	})
	c, ctx := restClient(t, s), deadline(t)
	if _, err := c.Dataset(ds).Table("t").Metadata(ctx); reason(err) != "403 accessDenied" {
		t.Errorf("error %v, want 403 accessDenied", err)
	}
	if _, err := c.Dataset(ds).Metadata(ctx); err != nil {
		t.Errorf("another call: %v", err)
	}
	s.FailREST(nil)
	if _, err := c.Dataset(ds).Table("t").Metadata(ctx); err != nil {
		t.Errorf("after it was lifted: %v", err)
	}
}

// TestRawREST would catch a request that the client never makes, but others
// may, and that is taken though it is wrong; and a path that works in one of
// its two forms only.
func TestRawREST(t *testing.T) {
	s := withTable(t)
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/bigquery/v2/projects/p/datasets/d/tables/t", "", 200},
		{"GET", "/projects/p/datasets/d/tables/t", "", 200},
		{"GET", "/projects/p/datasets", "", 200},
		{"GET", "/projects/p/datasets/d/tables?maxResults=x", "", 400},
		{"GET", "/elsewhere", "", 501},
		{"POST", "/projects/p/datasets/d/tables", `{`, 400},
		{"POST", "/projects/p/datasets/d/tables", `{"nonsense": 1}`, 400},
		{"POST", "/projects/p/datasets/d/tables", `{"tableReference": {"projectId": "p", "datasetId": "other", "tableId": "x"}, "schema": {"fields": [{"name": "a", "type": "STRING"}]}}`, 400},
		{"POST", "/projects/p/datasets/d/tables", `{"tableReference": {"projectId": "p", "datasetId": "d", "tableId": "x"}, "schema": {"fields": [{"name": "a", "type": "STRING", "mode": "MAYBE"}]}}`, 400},
		{"POST", "/projects/p/datasets/d/tables", `{"tableReference": {"projectId": "p", "datasetId": "d", "tableId": "x"}, "view": {"query": "SELECT 1"}}`, 400},
		{"PUT", "/projects/p/datasets/d/tables/t", `{"description": "x"}`, 400},
		{"PATCH", "/projects/p/datasets/d/tables/t", `{"timePartitioning": null}`, 400},
		{"PATCH", "/projects/p/datasets/d/tables/t", `{"description": null}`, 200},
		{"PATCH", "/projects/p/datasets/d", `{"location": "mars"}`, 400},
		{"PATCH", "/projects/p/datasets/d", `{"description": "x"}`, 200},
		{"DELETE", "/projects/p/datasets/d?deleteContents=true", "", 204},
		{"DELETE", "/projects/p/datasets/d?deleteContents=true", "", 404},
	} {
		req, err := http.NewRequestWithContext(deadline(t), test.method, s.RESTURL()+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s %s %s: %s, want %d", test.method, test.path, test.body, resp.Status, test.want)
		}
	}
}
