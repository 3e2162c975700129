package bqtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"
)

// TestUpdate would catch a change that the service makes and this refuses, or
// the other way round, and one that changes more than it says.
func TestUpdate(t *testing.T) {
	add := func(s bq.Schema, c *bq.FieldSchema) bq.Schema { return append(slices.Clone(s), c) }
	str := bq.StringFieldType
	for name, test := range map[string]struct {
		edit func(s bq.Schema, u *bq.TableMetadataToUpdate)
		ok   bool
	}{
		"describe table":  {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.Description = "new" }, true},
		"describe column": {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[0].Description = "new"; u.Schema = s }, true},
		"add nullable": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.Schema = add(s, &bq.FieldSchema{Name: "x", Type: str})
		}, true},
		"add repeated": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.Schema = add(s, &bq.FieldSchema{Name: "x", Type: str, Repeated: true})
		}, true},
		"add nested": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			s[8].Schema = add(s[8].Schema, &bq.FieldSchema{Name: "x", Type: str})
			u.Schema = s
		}, true},
		"relax":          {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[0].Required = false; u.Schema = s }, true},
		"clustering":     {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.Clustering = &bq.Clustering{Fields: []string{"n"}} }, true},
		"no clustering":  {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.Clustering = &bq.Clustering{} }, true},
		"require filter": {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.RequirePartitionFilter = true }, true},
		"expire": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.TimePartitioning = &bq.TimePartitioning{Field: "at", Expiration: time.Hour}
		}, true},
		"label":       {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.SetLabel("a", "b") }, true},
		"drop":        {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.Schema = s[:9] }, false},
		"drop nested": {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[8].Schema = s[8].Schema[:1]; u.Schema = s }, false},
		"rename":      {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[2].Name = "renamed"; u.Schema = s }, false},
		"change type": {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[2].Type = str; u.Schema = s }, false},
		"add required": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.Schema = add(s, &bq.FieldSchema{Name: "x", Type: str, Required: true})
		}, false},
		"add required nested": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			s[8].Schema = add(s[8].Schema, &bq.FieldSchema{Name: "x", Type: str, Required: true})
			u.Schema = s
		}, false},
		"tighten":       {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[2].Required = true; u.Schema = s }, false},
		"to repeated":   {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[2].Repeated = true; u.Schema = s }, false},
		"from repeated": {func(s bq.Schema, u *bq.TableMetadataToUpdate) { s[7].Repeated = false; u.Schema = s }, false},
		"partition field": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.TimePartitioning = &bq.TimePartitioning{Field: "seen"}
		}, false},
		"partition type": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.TimePartitioning = &bq.TimePartitioning{Field: "at", Type: bq.HourPartitioningType}
		}, false},
		"absent clustering": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			u.Clustering = &bq.Clustering{Fields: []string{"gone"}}
		}, false},
		"long description": {func(s bq.Schema, u *bq.TableMetadataToUpdate) {
			s[0].Description = strings.Repeat("é", 1025)
			u.Schema = s
		}, false},
		"view query of table": {func(s bq.Schema, u *bq.TableMetadataToUpdate) { u.ViewQuery = "SELECT 1" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTable(t)
			table, ctx := restClient(t, s).Dataset(ds).Table("t"), deadline(t)
			before, err := table.Metadata(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var u bq.TableMetadataToUpdate
			test.edit(schema(), &u)
			got, err := table.Update(ctx, u, before.ETag)
			after, merr := table.Metadata(ctx)
			if merr != nil {
				t.Fatal(merr)
			}
			if !test.ok {
				if reason(err) != "400 invalid" {
					t.Errorf("error %v, want 400 invalid", err)
				}
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("it changed all the same:\n%s", diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.ETag == before.ETag || after.ETag != got.ETag {
				t.Errorf("tags %s, %s, %s: want a new one", before.ETag, got.ETag, after.ETag)
			}
			if u.Schema != nil {
				before.Schema = u.Schema
			}
			if diff := cmp.Diff(before.Schema, after.Schema); diff != "" {
				t.Errorf("schema (-want +got):\n%s", diff)
			}
			if _, err := table.Update(ctx, bq.TableMetadataToUpdate{Description: "late"}, before.ETag); reason(err) != "412 conditionNotMet" {
				t.Errorf("change with an old tag: %v, want 412 conditionNotMet", err)
			}
		})
	}
}

// TestUpdateOrder would catch new columns that do not come last.
func TestUpdateOrder(t *testing.T) {
	s := withTable(t)
	if err := s.SetSchema(project, ds, "t", append(bq.Schema{{Name: "x", Type: bq.StringFieldType}}, schema()...)); err != nil {
		t.Fatal(err)
	}
	got, err := restClient(t, s).Dataset(ds).Table("t").Metadata(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if last := got.Schema[len(got.Schema)-1].Name; last != "x" || got.Schema[0].Name != "id" {
		t.Errorf("last column %s, want x", last)
	}
}

// TestView would catch a view that does not come back as it went.
func TestView(t *testing.T) {
	s := withTable(t)
	view, ctx := restClient(t, s).Dataset(ds).Table("v"), deadline(t)
	if err := view.Create(ctx, &bq.TableMetadata{ViewQuery: "SELECT 1", Description: "one"}); err != nil {
		t.Fatal(err)
	}
	got, err := view.Update(ctx, bq.TableMetadataToUpdate{ViewQuery: "SELECT 2", UseLegacySQL: false}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != bq.ViewTable || got.ViewQuery != "SELECT 2" || got.UseLegacySQL || got.Description != "one" {
		t.Errorf("view %+v", got)
	}
	if _, err := view.Update(ctx, bq.TableMetadataToUpdate{UseLegacySQL: true}, ""); reason(err) != "400 invalid" {
		t.Errorf("legacy: %v, want 400 invalid", err)
	}
	m := restClient(t, s).Dataset(ds).Table("m")
	if err := m.Create(ctx, &bq.TableMetadata{MaterializedView: &bq.MaterializedViewDefinition{Query: "SELECT 1", EnableRefresh: true}}); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Metadata(ctx); err != nil || got.Type != bq.MaterializedView || got.MaterializedView.Query != "SELECT 1" {
		t.Errorf("materialized view %+v, %v", got, err)
	}
}
