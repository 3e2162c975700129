package sqlcheck

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	bq "cloud.google.com/go/bigquery"
	"github.com/goccy/go-googlesql"
	"google.golang.org/api/option"

	"leadsync/sinks"
	"leadsync/sinks/bigquery"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

// TestPlan resolves the statements that a plan shows for a dataset of an
// older version. It catches one that BigQuery would refuse, or that adds a
// column of another type than the definition's.
func TestPlan(t *testing.T) {
	server := bqtest.New(t)
	config := bigquery.Config{
		ProjectID: project, Dataset: dataset, Endpoint: server.RESTURL(), StorageEndpoint: server.StorageAddr(), Insecure: true,
	}
	w, err := bigquery.OpenWarehouse(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	a := newAnalyzer(t)
	a.addViews(t)
	resolvePlan(t, a, planOf(t, w)) // creates everything
	if err := w.Apply(t.Context(), planOf(t, w)); err != nil {
		t.Fatal(err)
	}
	age(t, server)
	done := resolvePlan(t, a, planOf(t, w))
	for _, want := range []string{
		"table events_log: add column ", "table events_log: relax column ", "table events_log: describe column ",
		"table events_log: describe", "table events_log: require partition filter", "view events: replace", "view leads: describe",
		"materialized view entity_state: replace", "materialized view field_state: describe",
	} {
		if !slices.ContainsFunc(done, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("the plan has no SQL for %q; it has it for\n%s", want, strings.Join(done, "\n"))
		}
	}
}

func planOf(t *testing.T, w *bigquery.Warehouse) sinks.Plan {
	t.Helper()
	plan, err := w.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// resolvePlan resolves a plan's statements and returns what they do. Where
// BigQuery has no statement, a comment stands.
func resolvePlan(t *testing.T, a *analyzer, plan sinks.Plan) []string {
	t.Helper()
	var done []string
	for _, change := range plan {
		if strings.HasPrefix(change.SQL, "--") {
			continue
		}
		what := change.Object + ": " + change.Action
		list, err := a.analyzeAll(change.SQL)
		if err != nil {
			t.Errorf("%s: %v\n%s", what, err, change.SQL)
		}
		for _, s := range list {
			for _, problem := range definition(s) {
				t.Errorf("%s: %s\n%s", what, problem, change.SQL)
			}
			if added := addedColumn(s); added != nil {
				_, name, _ := strings.Cut(change.Object, " ")
				if !slices.Contains(columnsOf(tableNamed(t, name).Columns), *added) {
					t.Errorf("%s: adds %v, which is not in the definition\n%s", what, *added, change.SQL)
				}
			}
			done = append(done, what)
		}
	}
	return done
}

// addedColumn returns the column that the statement adds, nil if it adds none.
func addedColumn(s googlesql.ResolvedStatementNode) *column {
	var added *column
	walk(s, func(n googlesql.ResolvedNode) {
		if n, ok := n.(*googlesql.ResolvedAddColumnAction); ok {
			c := must(n.ColumnDefinition())
			added = &column{must(c.Name()), kindOf(must(c.Type()))}
		}
	})
	return added
}

func tableNamed(t *testing.T, name string) *transform.Table {
	t.Helper()
	for i, table := range transform.Tables() {
		if table.Name == name {
			return &transform.Tables()[i]
		}
	}
	t.Fatalf("no table %s", name)
	return nil
}

// age makes a dataset of an older version: tables lack columns, or have them
// required or described otherwise, and some views are others.
func age(t *testing.T, server *bqtest.Server) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := bq.NewClient(t.Context(), project, option.WithEndpoint(server.RESTURL()), option.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, table := range transform.Tables() {
		remake(t, c, table.Name, func(meta *bq.TableMetadata) {
			meta.Description, meta.RequirePartitionFilter, meta.Clustering = "of old", true, nil
			var kept bq.Schema
			for i, f := range meta.Schema {
				f.Description = "of old"
				f.Required = f.Required || !f.Repeated && i%3 == 0
				if f.Required || i%3 == 1 {
					kept = append(kept, f)
				}
			}
			meta.Schema = kept
		})
	}
	remake(t, c, "events", func(meta *bq.TableMetadata) { meta.ViewQuery = "SELECT 1 AS one" })
	remake(t, c, "leads", func(meta *bq.TableMetadata) { meta.Description = "of old" })
	remake(t, c, "entity_state", func(meta *bq.TableMetadata) { meta.Clustering.Fields = meta.Clustering.Fields[:1] })
	remake(t, c, "field_state", func(meta *bq.TableMetadata) { meta.Description = "of old" })
}

// remake creates a table or view anew, with another definition.
func remake(t *testing.T, c *bq.Client, name string, change func(*bq.TableMetadata)) {
	t.Helper()
	table := c.Dataset(dataset).Table(name)
	live, err := table.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meta := &bq.TableMetadata{
		Description: live.Description, Schema: live.Schema, ViewQuery: live.ViewQuery, MaterializedView: live.MaterializedView,
		TimePartitioning: live.TimePartitioning, Clustering: live.Clustering,
	}
	if live.Type != bq.RegularTable {
		meta.Schema = nil // BigQuery finds it
	}
	change(meta)
	if err := table.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := table.Create(t.Context(), meta); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
