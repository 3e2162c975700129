package bigquery

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
)

// TestMaterializedCreated catches a materialized view that is made an
// ordinary one, that nobody refreshes, that loses its clustering or its
// description, and one that stands before a table that it reads.
func TestMaterializedCreated(t *testing.T) {
	_, c := start(t)
	w := openWarehouse(t, c)
	n := 0
	for _, v := range sinks.Views(w.config.dialect()) {
		if !v.Materialized {
			continue
		}
		n++
		live := liveTable(t, w, v.Name)
		if live.Type != bq.MaterializedView {
			t.Errorf("%s is a %s", v.Name, live.Type)
			continue
		}
		if m := live.MaterializedView; m.Query != v.SQL || !m.EnableRefresh || m.RefreshInterval != 30*time.Minute || m.AllowNonIncrementalDefinition {
			t.Errorf("%s: %+v", v.Name, m)
		}
		if got := strings.Join(clusteringOf(live), " "); got != strings.Join(v.ClusterBy, " ") || got == "" {
			t.Errorf("%s is clustered by %q, want %q", v.Name, got, v.ClusterBy)
		}
		for _, want := range []string{v.Description, "\ntenant_id: Tenant of JINGdigital."} {
			if !strings.Contains(live.Description, want) {
				t.Errorf("%s: description %q lacks %q", v.Name, live.Description, want)
			}
		}
	}
	if n < 2 {
		t.Errorf("%d materialized views", n)
	}
}

// TestMaterializedChanges catches a change of a materialized view that is
// missed, one that the service refuses, and one that is planned again.
func TestMaterializedChanges(t *testing.T) {
	for name, test := range map[string]struct {
		alter func(*bq.TableMetadata)
		want  string // empty for no change
		inSQL string
	}{
		"query": {
			alter: func(m *bq.TableMetadata) { m.MaterializedView.Query += "\n" },
			want:  "materialized view field_state: replace",
			inSQL: "DROP MATERIALIZED VIEW IF EXISTS `test-project.jing_leads.field_state`;\nCREATE MATERIALIZED VIEW IF NOT EXISTS `test-project.jing_leads.field_state`\nCLUSTER BY tenant_id, object_name, entity_id\n",
		},
		"clustering": {
			alter: func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"entity_id"} },
			want:  "materialized view field_state: replace",
		},
		"no clustering": {
			alter: func(m *bq.TableMetadata) { m.Clustering = nil },
			want:  "materialized view field_state: replace",
		},
		"description": {
			alter: func(m *bq.TableMetadata) { m.Description = "old" },
			want:  "materialized view field_state: describe",
			inSQL: "ALTER MATERIALIZED VIEW `test-project.jing_leads.field_state` SET OPTIONS (description=\"",
		},
		"refresh": {
			alter: func(m *bq.TableMetadata) {
				m.MaterializedView.EnableRefresh, m.MaterializedView.RefreshInterval = false, time.Hour
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := start(t)
			w := openWarehouse(t, c)
			view := w.dataset.Table("field_state")
			meta := materializedMetadata(viewNamed(t, w, "field_state"))
			test.alter(meta)
			if err := view.Delete(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := view.Create(t.Context(), meta); err != nil {
				t.Fatal(err)
			}
			plan := planOf(t, w)
			if got := actions(plan); got != test.want {
				t.Fatalf("plan:\n%s\nwant:\n%s", got, test.want)
			}
			if len(plan) > 0 && !strings.HasPrefix(plan[0].SQL, test.inSQL) {
				t.Errorf("SQL:\n%s\nwant it to begin:\n%s", plan[0].SQL, test.inSQL)
			}
			if err := w.Apply(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			if again := planOf(t, w); len(again) > 0 {
				t.Errorf("a plan is left after it was applied:\n%s", actions(again))
			}
		})
	}
}

func viewNamed(t *testing.T, w *Warehouse, name string) sinks.View {
	t.Helper()
	for _, v := range sinks.Views(w.config.dialect()) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no view %s", name)
	return sinks.View{}
}

// TestMaterializedRefused has something else under a materialized view's name, and a
// materialized view under another's. It catches a plan that would drop it.
func TestMaterializedRefused(t *testing.T) {
	for name, test := range map[string]struct {
		object string
		meta   *bq.TableMetadata
		want   string
	}{
		"a table": {"field_state", &bq.TableMetadata{Schema: bq.Schema{{Name: "a", Type: bq.StringFieldType}}},
			"materialized view field_state: replace: it is a TABLE, not a materialized view"},
		"a view": {"field_state", &bq.TableMetadata{ViewQuery: "SELECT 1"},
			"materialized view field_state: replace: it is a VIEW, not a materialized view"},
		"a materialized view": {"leads", &bq.TableMetadata{MaterializedView: &bq.MaterializedViewDefinition{Query: "SELECT 1"}},
			"view leads: replace: it is a MATERIALIZED_VIEW, not a view"},
	} {
		t.Run(name, func(t *testing.T) {
			server := bqtest.New(t)
			c := configOf(server)
			c.Location = ""
			if err := server.CreateTable(project, dataset, test.object, test.meta); err != nil {
				t.Fatal(err)
			}
			w := openWarehouse(t, c)
			plan := planOf(t, w)
			if err := plan.Refused(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the plan refuses %v, want %s", err, test.want)
			}
			if err := w.Apply(t.Context(), plan); err == nil {
				t.Error("a plan with a refusal was applied")
			}
			if live := liveTable(t, w, test.object); live.Type == bq.RegularTable && len(live.Schema) != 1 {
				t.Errorf("the thing in its place changed: %+v", live)
			}
		})
	}
}

// TestMaterializedReplacedHalf ends a replacement after the drop. It catches
// a view that stays away for good.
func TestMaterializedReplacedHalf(t *testing.T) {
	server, c := start(t)
	w := openWarehouse(t, c)
	view := w.dataset.Table("entity_state")
	meta := materializedMetadata(viewNamed(t, w, "entity_state"))
	meta.MaterializedView.Query += "\n"
	if err := view.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := view.Create(t.Context(), meta); err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, w)
	var refused atomic.Bool
	server.FailREST(func(r *http.Request) error {
		if r.Method == http.MethodPost && refused.CompareAndSwap(false, true) {
			return &googleapi.Error{Code: http.StatusForbidden, Message: "no"}
		}
		return nil
	})
	if err := w.Apply(t.Context(), plan); err == nil || !strings.Contains(err.Error(), "change materialized view entity_state") {
		t.Errorf("apply that may not create: %v", err)
	}
	if got := actions(planOf(t, w)); got != "materialized view entity_state: create" {
		t.Errorf("plan after half of it:\n%s", got)
	}
	if err := w.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left:\n%s", actions(again))
	}
}
