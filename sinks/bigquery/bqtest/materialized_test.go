package bqtest

import (
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
)

// TestMaterializedView would catch a materialized view that the service
// refuses and this creates, or the other way round.
func TestMaterializedView(t *testing.T) {
	const good = "SELECT id, MAX(n) AS n FROM `p.d.t` GROUP BY id -- no ORDER BY"
	for name, test := range map[string]struct {
		edit func(*bq.TableMetadata)
		want string // reason of the refusal
	}{
		"good":       {func(*bq.TableMetadata) {}, ""},
		"no query":   {func(m *bq.TableMetadata) { m.MaterializedView.Query = " " }, "400 invalid"},
		"a view too": {func(m *bq.TableMetadata) { m.ViewQuery = "SELECT 1" }, "400 invalid"},
		"a schema":   {func(m *bq.TableMetadata) { m.Schema = schema() }, "400 invalid"},
		"a window": {func(m *bq.TableMetadata) {
			m.MaterializedView.Query = "SELECT id, MAX(n) OVER (PARTITION BY id) AS n FROM `p.d.t`"
		}, "400 invalid"},
		"the clock":     {func(m *bq.TableMetadata) { m.MaterializedView.Query = "SELECT CURRENT_DATE() FROM `p.d.t`" }, "400 invalid"},
		"an outer join": {func(m *bq.TableMetadata) { m.MaterializedView.Query += "\nleft join x" }, "400 invalid"},
		"a view beneath": {func(m *bq.TableMetadata) {
			m.MaterializedView.Query = "SELECT id, MAX(n) AS n FROM `p.d.v` GROUP BY id"
		}, "400 invalid"},
		"an absent table": {func(m *bq.TableMetadata) {
			m.MaterializedView.Query = "SELECT id, MAX(n) AS n FROM `p.d.gone` GROUP BY id"
		}, "404 notFound"},
		"absent clustering": {func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"tags"} }, "400 invalid"},
		"double clustering": {func(m *bq.TableMetadata) { m.Clustering.Fields = []string{"id", "id"} }, "400 invalid"},
		"empty clustering":  {func(m *bq.TableMetadata) { m.Clustering.Fields = nil }, "400 invalid"},
		"partition filter":  {func(m *bq.TableMetadata) { m.RequirePartitionFilter = true }, "400 invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			s, ctx := withTable(t), deadline(t)
			set := restClient(t, s).Dataset(ds)
			if err := set.Table("v").Create(ctx, &bq.TableMetadata{ViewQuery: "SELECT 1"}); err != nil {
				t.Fatal(err)
			}
			meta := &bq.TableMetadata{
				MaterializedView: &bq.MaterializedViewDefinition{Query: good, EnableRefresh: true},
				Clustering:       &bq.Clustering{Fields: []string{"id"}},
			}
			test.edit(meta)
			err := set.Table("m").Create(ctx, meta)
			if test.want != "" {
				if reason(err) != test.want {
					t.Errorf("error %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := set.Table("m").Metadata(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if m := got.MaterializedView; got.Type != bq.MaterializedView || m.Query != good || m.RefreshInterval != 30*time.Minute || got.Clustering.Fields[0] != "id" {
				t.Errorf("%+v, %+v", got, m)
			}
		})
	}
}

// TestMaterializedViewUpdate would catch a change that the service refuses.
func TestMaterializedViewUpdate(t *testing.T) {
	const query = "SELECT id, MAX(n) AS n FROM `p.d.t` GROUP BY id"
	s, ctx := withTable(t), deadline(t)
	m := restClient(t, s).Dataset(ds).Table("m")
	if err := m.Create(ctx, &bq.TableMetadata{MaterializedView: &bq.MaterializedViewDefinition{Query: query, EnableRefresh: true}}); err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]bq.TableMetadataToUpdate{
		"query":      {MaterializedView: &bq.MaterializedViewDefinition{Query: query + " "}},
		"schema":     {Schema: schema()},
		"clustering": {Clustering: &bq.Clustering{Fields: []string{"id"}}},
		"view query": {ViewQuery: "SELECT 1"},
	} {
		if _, err := m.Update(ctx, u, ""); reason(err) != "400 invalid" {
			t.Errorf("%s: %v, want 400 invalid", name, err)
		}
	}
	for name, u := range map[string]bq.TableMetadataToUpdate{
		"description": {Description: "new"},
		"refresh":     {MaterializedView: &bq.MaterializedViewDefinition{Query: query, EnableRefresh: false, RefreshInterval: time.Hour}},
	} {
		if _, err := m.Update(ctx, u, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := m.Metadata(ctx)
	if err != nil || got.Description != "new" || got.MaterializedView.EnableRefresh || got.MaterializedView.RefreshInterval != time.Hour {
		t.Errorf("%+v, %v", got, err)
	}
}
