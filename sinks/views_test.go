package sinks_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"leadsync/sinks"
	"leadsync/transform"
)

var dialects = map[string]sinks.Dialect{
	"bigquery": sinks.BigQuery("my-project", "jing_leads", "Asia/Shanghai"),
	"duckdb":   sinks.DuckDB("Asia/Shanghai"),
}

// Catches a view that was lost, one that stands before a view it reads, and a
// query that does not read any table or view of ours.
func TestViewsInOrder(t *testing.T) {
	want := []string{
		"accounts", "backfill_files", "completeness_daily", "dead_letter_status", "dim_values", "events", "field_changes", "freshness", "funnel_daily",
		"lead_pool_transitions", "leads", "ledger_daily", "life_status_transitions",
		"owner_transitions", "owner_workload", "pool_flow", "stage_durations",
		"status_transitions", "transition_gaps", "transitions",
	}
	for dialect, d := range dialects {
		t.Run(dialect, func(t *testing.T) {
			var names []string
			for _, table := range transform.Tables() {
				names = append(names, table.Name)
			}
			tables := len(names)
			all := sinks.Views(d)
			for _, v := range all {
				reads := false
				for _, name := range names {
					reads = reads || mentions(v.SQL, d.Relation(name))
				}
				if !reads {
					t.Errorf("view %s reads nothing that stands before it", v.Name)
				}
				for _, later := range all {
					if !slices.Contains(names, later.Name) && mentions(v.SQL, d.Relation(later.Name)) {
						t.Errorf("view %s stands before %s, which it reads", v.Name, later.Name)
					}
				}
				names = append(names, v.Name)
			}
			got := slices.Sorted(slices.Values(names[tables:]))
			for _, name := range want {
				if !slices.Contains(got, name) {
					t.Errorf("no view %s", name)
				}
			}
		})
	}
}

func mentions(sql, relation string) bool {
	return regexp.MustCompile(`(FROM|JOIN)\s+` + regexp.QuoteMeta(relation) + `(\s|$)`).MatchString(sql)
}

// Catches a column without a description, a column named twice, a header that
// was not cut off the query, and a template that was not filled in.
func TestViewsDescribed(t *testing.T) {
	for dialect, d := range dialects {
		for _, v := range sinks.Views(d) {
			if !strings.HasSuffix(v.Description, ".") || len(v.Columns) == 0 {
				t.Errorf("%s: view %s has %d columns and the description %q", dialect, v.Name, len(v.Columns), v.Description)
			}
			if !strings.HasPrefix(v.SQL, "SELECT") && !strings.HasPrefix(v.SQL, "WITH") {
				t.Errorf("%s: view %s begins with %.40q", dialect, v.Name, v.SQL)
			}
			if strings.Contains(v.SQL, "<no value>") || strings.Contains(v.SQL, "{{") {
				t.Errorf("%s: view %s is not filled in", dialect, v.Name)
			}
			seen := make(map[string]bool)
			for _, c := range v.Columns {
				if !regexp.MustCompile(`^[a-z_][a-z0-9_]*$`).MatchString(c.Name) || !strings.HasSuffix(c.Description, ".") || seen[c.Name] {
					t.Errorf("%s: view %s: column %q described as %q", dialect, v.Name, c.Name, c.Description)
				}
				seen[c.Name] = true
			}
		}
	}
}

// Catches a description that differs between a column and the table's column
// that it passes through.
func TestViewsInheritDescriptions(t *testing.T) {
	for _, v := range sinks.Views(dialects["duckdb"]) {
		if v.Name != "transitions" {
			continue
		}
		for i, c := range transform.TransitionsLog.Table().Columns {
			if got := v.Columns[i]; got.Name != c.Name || got.Description != c.Description {
				t.Errorf("column %d is %+v, want %s: %s", i, got, c.Name, c.Description)
			}
		}
	}
}

// Catches what only DuckDB understands in BigQuery's SQL: its functions, its
// casts, its aggregates' FILTER and its looseness about names.
func TestBigQueryHasNothingOfDuckDB(t *testing.T) {
	deny := regexp.MustCompile(`(?i)::|\b(list_contains|arg_max|date_sub|date_diff|epoch|epoch_us|now|timezone|VARCHAR|TIMESTAMPTZ|FILTER|ILIKE|strftime|struct_pack|list_value|quantile_cont)\b`)
	for _, v := range sinks.Views(dialects["bigquery"]) {
		if found := deny.FindString(withoutComments(v.SQL)); found != "" {
			t.Errorf("view %s has %s", v.Name, found)
		}
		if bare := regexp.MustCompile(`(?:FROM|JOIN) (events|transitions|field_changes|\w+_log)\b`).FindString(v.SQL); bare != "" {
			t.Errorf("view %s has an unqualified %q", v.Name, bare)
		}
	}
}

func withoutComments(sql string) string {
	return regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(sql, "")
}

// Catches a table that is not found where the project is that of the
// credentials: its name must not begin with a full stop.
func TestRelationNames(t *testing.T) {
	for project, want := range map[string]string{"p": "`p.d.events`", "": "`d.events`"} {
		if got := sinks.BigQuery(project, "d", "UTC").Relation("events"); got != want {
			t.Errorf("project %q: %s, want %s", project, got, want)
		}
	}
}

// Catches a zone that breaks out of its literal, and days that are not in it.
func TestDayInZone(t *testing.T) {
	if got, want := sinks.BigQuery("p", "d", "Asia/Shanghai").Day("x"), "DATE(x, 'Asia/Shanghai')"; got != want {
		t.Errorf("BigQuery day is %s, want %s", got, want)
	}
	if got, want := sinks.DuckDB(`A'\B`).Day("x"), "CAST(timezone('AB', x) AS DATE)"; got != want {
		t.Errorf("DuckDB day is %s, want %s", got, want)
	}
}
