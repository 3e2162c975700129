package sqlcheck

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-googlesql"
	"github.com/google/go-cmp/cmp"

	"leadsync/sinks/bigquery"
	"leadsync/transform"
)

// configs are the settings that the statements differ by.
var configs = map[string]bigquery.Config{
	"plain":            {ProjectID: project, Dataset: dataset},
	"no project":       {Dataset: dataset, Location: "EU"},
	"partition filter": {ProjectID: project, Dataset: dataset, Location: "asia-east1", RequirePartitionFilter: true, Zone: "UTC"},
}

// TestDDL resolves every statement that creates something, in order. It
// catches one that BigQuery would refuse, an option that it does not have, and
// a table whose columns are not those of its definition.
func TestDDL(t *testing.T) {
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			a := newAnalyzer(t)
			a.addViews(t)
			var tables int
			for _, sql := range bigquery.DDL(config) {
				s, err := a.analyze(sql)
				if err != nil {
					t.Errorf("%v\n%s", err, sql)
					continue
				}
				for _, problem := range definition(s) {
					t.Errorf("%s\n%s", problem, sql)
				}
				if create, ok := s.(*googlesql.ResolvedCreateTableStmt); ok {
					compareTable(t, create, &transform.Tables()[tables])
					tables++
				}
			}
			if tables != transform.NumTables {
				t.Errorf("%d tables are created, want %d", tables, transform.NumTables)
			}
		})
	}
}

// compareTable holds a statement's columns against the definition.
func compareTable(t *testing.T, s *googlesql.ResolvedCreateTableStmt, want *transform.Table) {
	t.Helper()
	var got, required, columns []string
	for _, c := range must(s.ColumnDefinitionList()) {
		got = append(got, must(c.Name())+" "+kindOf(must(c.Type())))
		if notes := must(c.Annotations()); notes != nil && must(notes.NotNull()) {
			required = append(required, must(c.Name()))
		}
	}
	for _, c := range columnsOf(want.Columns) {
		columns = append(columns, c.name+" "+c.kind)
	}
	if diff := cmp.Diff(columns, got); diff != "" {
		t.Errorf("table %s: columns (-defined +created):\n%s", want.Name, diff)
	}
	for _, c := range want.Columns {
		if (c.Mode == transform.Required) != slices.Contains(required, c.Name) {
			t.Errorf("table %s: column %s is %s, but NOT NULL is not told so", want.Name, c.Name, c.Mode)
		}
	}
}

// options are what BigQuery lets each kind of object have and we make use of,
// with the value's type. GoogleSQL takes any name.
var options = map[string][]string{
	"CreateSchemaStmt":           {"location STRING", "description STRING"},
	"CreateTableStmt":            {"description STRING", "require_partition_filter BOOL"},
	"CreateViewStmt":             {"description STRING"},
	"CreateMaterializedViewStmt": {"description STRING", "enable_refresh BOOL", "refresh_interval_minutes FLOAT64", "refresh_interval_minutes INT64", "max_staleness INTERVAL", "allow_non_incremental_definition BOOL"},
	"AlterTableSetOptionsStmt":   {"description STRING", "require_partition_filter BOOL"},
	"AlterTableStmt":             {"description STRING", "require_partition_filter BOOL"},
	"AlterViewStmt":              {"description STRING"},
	"AlterMaterializedViewStmt":  {"description STRING", "enable_refresh BOOL", "refresh_interval_minutes FLOAT64", "refresh_interval_minutes INT64", "max_staleness INTERVAL"},
	"AlterSchemaStmt":            {"description STRING"},
	"column":                     {"description STRING"},
}

// definition returns what BigQuery would refuse in a statement that creates
// or alters something, beyond what GoogleSQL does.
func definition(s googlesql.ResolvedStatementNode) []string {
	problems := optionsOf(s, must(s.NodeKindString()))
	if s, ok := s.(interface {
		ClusterByList() ([]googlesql.ResolvedExprNode, error)
	}); ok {
		problems = append(problems, clustering(must(s.ClusterByList()))...)
	}
	return problems
}

// optionsOf returns the options below a node that its kind does not have, or
// that are longer than BigQuery takes.
func optionsOf(n googlesql.ResolvedNode, kind string) []string {
	var problems []string
	for _, child := range must(n.GetChildNodes()) {
		switch child := child.(type) {
		case *googlesql.ResolvedOption:
			option := must(child.Name()) + " " + kindOf(must(must(child.Value()).Type()))
			if !slices.Contains(options[kind], option) {
				problems = append(problems, fmt.Sprintf("no option %s of %s", option, kind))
			}
			most := maxDescription
			if kind == "column" {
				most = maxColumnDescription
			}
			if text, ok := textOf(must(child.Value())); ok && utf8.RuneCountInString(text) > most {
				problems = append(problems, fmt.Sprintf("an option %s of more than %d characters", option, most))
			}
		case *googlesql.ResolvedColumnAnnotations, *googlesql.ResolvedAlterColumnOptionsAction:
			problems = append(problems, optionsOf(child, "column")...)
		default:
			problems = append(problems, optionsOf(child, kind)...)
		}
	}
	return problems
}

// clustering returns what is wrong with clustering columns.
func clustering(by []googlesql.ResolvedExprNode) []string {
	var problems []string
	if len(by) > maxClustering {
		problems = append(problems, fmt.Sprintf("%d clustering columns, more than %d", len(by), maxClustering))
	}
	for _, e := range by {
		kind := kindOf(must(e.Type()))
		if _, ok := e.(*googlesql.ResolvedColumnRef); !ok {
			problems = append(problems, "clustering by what is no column")
		} else if !slices.Contains(strings.Fields("BOOL DATE DATETIME INT64 NUMERIC BIGNUMERIC STRING TIMESTAMP"), kind) {
			problems = append(problems, "clustering by a column of type "+kind)
		}
	}
	return problems
}
