package bigquery

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/transform"
)

func openWarehouse(t testing.TB, c Config) *Warehouse {
	t.Helper()
	w, err := OpenWarehouse(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func planOf(t testing.TB, w *Warehouse) sinks.Plan {
	t.Helper()
	plan, err := w.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// actions returns the plan in short.
func actions(plan sinks.Plan) string {
	var list []string
	for _, c := range plan {
		list = append(list, c.Object+": "+c.Action)
	}
	return strings.Join(list, "\n")
}

// TestApplyFromNothing creates everything. It catches an object that is left
// out or differs from its definition, and a plan that is never done.
func TestApplyFromNothing(t *testing.T) {
	server := bqtest.New(t)
	c := configOf(server)
	c.RequirePartitionFilter = true
	w := openWarehouse(t, c)
	plan := planOf(t, w)
	if want := 1 + transform.NumTables + len(sinks.Views(c.withDefaults().dialect())); len(plan) != want {
		t.Errorf("the plan has %d steps, want %d", len(plan), want)
	}
	if plan[0].Object != "dataset "+dataset {
		t.Errorf("the first step is %q", plan[0].Object)
	}
	for i, ddl := range DDL(c) {
		if plan[i].SQL != ddl || plan[i].Action != "create" {
			t.Errorf("%s: %s: the SQL is not that of DDL:\n%s", plan[i].Object, plan[i].Action, plan[i].SQL)
		}
	}
	for range 2 { // the second time everything is there
		if err := w.Apply(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
	}
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left after it was applied:\n%s", actions(again))
	}
	meta, err := w.dataset.Metadata(t.Context())
	if err != nil || meta.Location != "EU" {
		t.Errorf("dataset: %+v, %v, want location EU", meta, err)
	}
	live := liveTable(t, w, "transitions_log")
	if p := live.TimePartitioning; p == nil || p.Field != "occurred_at" || p.Type != bq.DayPartitioningType {
		t.Errorf("partitioning %+v", p)
	}
	if fmt.Sprint(live.Clustering.Fields) != "[tenant_id dimension entity_id]" || !live.RequirePartitionFilter {
		t.Errorf("clustering %v, require partition filter %t", live.Clustering.Fields, live.RequirePartitionFilter)
	}
	for _, f := range live.Schema {
		if f.Description == "" {
			t.Errorf("column %s is not described", f.Name)
		}
	}
}

func liveTable(t testing.TB, w *Warehouse, name string) *bq.TableMetadata {
	t.Helper()
	meta, err := w.dataset.Table(name).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// TestApplyChanges begins with a table of an older version that also has a
// column of somebody else's. It catches a change that is missed, one that
// harms what is there, and one that is planned again after it was made.
func TestApplyChanges(t *testing.T) {
	server := bqtest.New(t)
	c := configOf(server)
	c.Location = ""
	meta := metadataOf(transform.EventsLog.Table(), c)
	meta.Description = "old"
	meta.Clustering = nil
	var old bq.Schema
	for _, f := range meta.Schema {
		switch f.Name {
		case "members", "extra":
			continue // new since
		case "notes":
			f.Description = "old"
		case "changes":
			f.Schema = f.Schema[:len(f.Schema)-1]
		}
		old = append(old, f)
	}
	meta.Schema = append(old, &bq.FieldSchema{Name: "ours", Type: bq.StringFieldType})
	if err := server.CreateTable(project, dataset, "events_log", meta); err != nil {
		t.Fatal(err)
	}
	w := openWarehouse(t, c)
	plan := planOf(t, w)
	want := `table events_log: describe column notes
table events_log: add column members
table events_log: add column changes.after_label
table events_log: add column extra
table events_log: describe
table events_log: cluster by tenant_id, object_name, event_type, entity_id
table transitions_log: create`
	if got := actions(plan); !strings.HasPrefix(got, want+"\n") {
		t.Errorf("plan:\n%s\nwant it to begin:\n%s", got, want)
	}
	for _, s := range []string{
		"ALTER TABLE `test-project.jing_leads.events_log` ADD COLUMN IF NOT EXISTS members ARRAY<STRING> OPTIONS (description=",
		"ALTER TABLE `test-project.jing_leads.events_log` ALTER COLUMN notes SET OPTIONS (description=",
	} {
		if !strings.Contains(plan[0].SQL+plan[1].SQL, s) {
			t.Errorf("SQL lacks %s", s)
		}
	}
	if err := w.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left after it was applied:\n%s", actions(again))
	}
	live := liveTable(t, w, "events_log")
	if field(live.Schema, "ours") == nil {
		t.Error("a column that is not ours is gone")
	}
	if f := field(live.Schema, "members"); f == nil || !f.Repeated {
		t.Errorf("column members: %+v", f)
	}
	s := openSink(t, c) // the table takes rows
	if err := s.Write(t.Context(), events(3)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 3, false)
}

// TestModes has columns that are stricter and looser than defined. It catches a
// worker that starts on a table which refuses its rows, and one that does not
// start on a table which takes them.
func TestModes(t *testing.T) {
	server := bqtest.New(t)
	c := configOf(server)
	c.Location = ""
	meta := metadataOf(transform.EventsLog.Table(), c)
	field(meta.Schema, "event_type").Required = false
	field(meta.Schema, "notes").Required = true
	if err := server.CreateTable(project, dataset, "events_log", meta); err != nil {
		t.Fatal(err)
	}
	w := openWarehouse(t, c)
	if plan := planOf(t, w); !strings.Contains(actions(plan), "events_log: relax column notes") {
		t.Fatalf("plan:\n%s", actions(plan))
	}
	for _, change := range planOf(t, w) { // nothing else differs in this table
		if change.Object == "table events_log" && !strings.Contains(change.SQL, "ALTER COLUMN notes DROP NOT NULL") {
			t.Errorf("%s: %s", change.Action, change.SQL)
		}
	}
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "column notes is REQUIRED") {
		t.Errorf("opened, or another error: %v", err)
	}
	if err := w.Apply(t.Context(), planOf(t, w)); err != nil {
		t.Fatal(err)
	}
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left after it was applied:\n%s", actions(again))
	}
	sink, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
}

// TestRefusedChanges has live objects that no additive change mends. It
// catches a plan that hides them, and an Apply that begins all the same.
func TestRefusedChanges(t *testing.T) {
	for _, test := range []struct {
		name  string
		alter func(*bq.TableMetadata)
		want  string
	}{
		{"type", func(m *bq.TableMetadata) { field(m.Schema, "notes").Type = bq.IntegerFieldType },
			"table events_log: change column notes: its type is INT64, not STRING"},
		{"mode", func(m *bq.TableMetadata) { field(m.Schema, "notes").Repeated = true },
			"table events_log: change column notes: its mode is REPEATED, not NULLABLE"},
		{"nested type", func(m *bq.TableMetadata) { field(m.Schema, "changes").Schema[1].Type = bq.BytesFieldType },
			"table events_log: change column changes.before_value: its type is BYTES, not STRING"},
		{"required column is missing", func(m *bq.TableMetadata) { m.Schema = m.Schema[1:] },
			"table events_log: add column event_id: it is REQUIRED"},
		{"required column is not ours", func(m *bq.TableMetadata) {
			m.Schema = append(m.Schema, &bq.FieldSchema{Name: "shop", Type: bq.StringFieldType, Required: true})
		}, "table events_log: drop column shop: it is REQUIRED"},
		{"partitioning", func(m *bq.TableMetadata) { m.TimePartitioning.Type = bq.HourPartitioningType },
			"table events_log: partition: it is partitioned by hour of occurred_at, not by day of occurred_at"},
		{"no partitioning", func(m *bq.TableMetadata) { m.TimePartitioning = nil },
			"table events_log: partition: it is partitioned by nothing"},
		{"a view instead", func(m *bq.TableMetadata) { *m = bq.TableMetadata{ViewQuery: "SELECT 1"} },
			"table events_log: replace: it is a VIEW"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := bqtest.New(t)
			c := configOf(server)
			c.Location = ""
			meta := metadataOf(transform.EventsLog.Table(), c)
			test.alter(meta)
			if err := server.CreateTable(project, dataset, "events_log", meta); err != nil {
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
			if server.Rows("transitions_log") != nil {
				t.Error("a refused plan was begun")
			}
			if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "events_log") {
				t.Errorf("opening a sink: %v, want the table named", err)
			}
		})
	}
	t.Run("location", func(t *testing.T) {
		_, c := start(t)
		c.Location = "US"
		if err := planOf(t, openWarehouse(t, c)).Refused(); err == nil || !strings.Contains(err.Error(), "it is in EU") {
			t.Errorf("a dataset in another place: %v", err)
		}
	})
	t.Run("a table instead of a view", func(t *testing.T) {
		server := bqtest.New(t)
		c := configOf(server)
		if err := server.CreateTable(project, dataset, "events", &bq.TableMetadata{Schema: bq.Schema{{Name: "a", Type: bq.StringFieldType}}}); err != nil {
			t.Fatal(err)
		}
		if err := planOf(t, openWarehouse(t, c)).Refused(); err == nil || !strings.Contains(err.Error(), "view events: replace: it is a TABLE") {
			t.Errorf("a table in a view's place: %v", err)
		}
	})
}

// TestViewChanges replaces a view whose query differs and describes the
// columns of one that BigQuery has looked through.
func TestViewChanges(t *testing.T) {
	_, c := start(t)
	w := openWarehouse(t, c)
	view := w.dataset.Table("events")
	if _, err := view.Update(t.Context(), bq.TableMetadataToUpdate{ViewQuery: "SELECT 1"}, ""); err != nil {
		t.Fatal(err)
	}
	accounts := w.dataset.Table("accounts")
	if _, err := accounts.Update(t.Context(), bq.TableMetadataToUpdate{Description: "old"}, ""); err != nil {
		t.Fatal(err)
	}
	// What the service finds out by itself.
	leads := w.dataset.Table("leads")
	found := bq.Schema{{Name: "tenant_id", Type: bq.StringFieldType}, {Name: "unheard_of", Type: bq.StringFieldType}}
	if _, err := leads.Update(t.Context(), bq.TableMetadataToUpdate{Schema: found}, ""); err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, w)
	for _, want := range []string{"view events: replace", "view accounts: describe", "view leads: describe"} {
		if !strings.Contains(actions(plan), want) {
			t.Errorf("the plan lacks %q:\n%s", want, actions(plan))
		}
	}
	if err := w.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left after it was applied:\n%s", actions(again))
	}
	meta := liveTable(t, w, "leads")
	if f := field(meta.Schema, "tenant_id"); f == nil || f.Description == "" {
		t.Errorf("column tenant_id of the view is not described: %+v", f)
	}
}

// TestApplyRaces lets several workers apply the same plan, and one change come
// between looking and changing. It catches an error where the tables are as
// they should be.
func TestApplyRaces(t *testing.T) {
	server := bqtest.New(t)
	c := configOf(server)
	plan := planOf(t, openWarehouse(t, c))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := openWarehouse(t, c).Apply(t.Context(), plan); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w := openWarehouse(t, c)
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left:\n%s", actions(again))
	}

	table := w.dataset.Table("events_log")
	if _, err := table.Update(t.Context(), bq.TableMetadataToUpdate{Description: "old"}, ""); err != nil {
		t.Fatal(err)
	}
	plan = planOf(t, w)
	var patched atomic.Bool
	server.FailREST(func(r *http.Request) error {
		if r.Method == http.MethodPatch && patched.CompareAndSwap(false, true) {
			return &googleapi.Error{Code: http.StatusPreconditionFailed, Message: "changed meanwhile"}
		}
		return nil
	})
	if err := w.Apply(t.Context(), plan); err != nil {
		t.Errorf("apply after somebody else's change: %v", err)
	}
	if again := planOf(t, w); len(again) > 0 {
		t.Errorf("a plan is left:\n%s", actions(again))
	}
	server.FailREST(func(r *http.Request) error {
		if r.Method != http.MethodGet {
			return &googleapi.Error{Code: http.StatusPreconditionFailed, Message: "changed meanwhile"}
		}
		return nil
	})
	if _, err := table.Update(t.Context(), bq.TableMetadataToUpdate{Description: "old"}, ""); err == nil {
		t.Fatal("the fault does not work")
	}
	c.RequirePartitionFilter = true
	w = openWarehouse(t, c)
	if err := w.Apply(t.Context(), planOf(t, w)); err == nil || !strings.Contains(err.Error(), "table events_log") {
		t.Errorf("changes that never succeed: %v", err)
	}
}

// TestPlanFails passes on what is neither there nor missing.
func TestPlanFails(t *testing.T) {
	server, c := start(t)
	server.FailREST(func(*http.Request) error {
		return &googleapi.Error{Code: http.StatusForbidden, Message: "no", Errors: []googleapi.ErrorItem{{Reason: "accessDenied"}}}
	})
	w := openWarehouse(t, c)
	if _, err := w.Plan(t.Context()); err == nil || !isDenied(err) || !strings.Contains(err.Error(), "dataset jing_leads") {
		t.Errorf("plan without permission: %v", err)
	}
	if _, err := Open(context.Background(), c); err == nil || !strings.Contains(err.Error(), "roles/bigquery.dataEditor") {
		t.Errorf("open without permission: %v", err)
	}
}

// TestDDL pins the parts of the statements that no other test reads.
func TestDDL(t *testing.T) {
	all := strings.Join(DDL(Config{ProjectID: "p", Dataset: "d", Location: "EU", RequirePartitionFilter: true}), "\n\n")
	for _, want := range []string{
		"CREATE SCHEMA IF NOT EXISTS `p.d`\nOPTIONS (location=\"EU\");",
		"CREATE TABLE IF NOT EXISTS `p.d.events_log` (\n  event_id STRING NOT NULL OPTIONS (description=\"Identity of the event",
		"  members ARRAY<STRING> OPTIONS",
		"  changes ARRAY<STRUCT<field STRING NOT NULL OPTIONS (description=\"",
		"  is_follow_up BOOL OPTIONS",
		"  extra JSON OPTIONS",
		"\n)\nPARTITION BY DATE(occurred_at)\nCLUSTER BY tenant_id, object_name, event_type, entity_id\nOPTIONS (description=\"",
		", require_partition_filter=true);",
		"CREATE OR REPLACE VIEW `p.d.events` (\n  event_id OPTIONS (description=\"",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the DDL lacks:\n%s", want)
		}
	}
	if s := strings.Join(DDL(Config{Dataset: "d"}), ""); !strings.Contains(s, "`d.events_log`") || strings.Contains(s, "`.") {
		t.Error("without a project names are not those of the dataset alone")
	}
}
