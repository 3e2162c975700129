package sinks

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"leadsync/transform"
)

var update = flag.Bool("update", false, "write docs/data-dictionary.md anew")

// The data dictionary must say what the definitions say: catches a column,
// view or description that was changed without it. -update writes it anew.
func TestDataDictionary(t *testing.T) {
	const path = "../docs/data-dictionary.md"
	want := dictionary()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s does not agree with the definitions: go test ./sinks -run TestDataDictionary -update", path)
	}
}

func dictionary() string {
	var b strings.Builder
	b.WriteString("<!-- Made from the definitions in transform/tables.go and sinks/views: go test ./sinks -run TestDataDictionary -update -->\n" +
		"# Data dictionary\n\n" +
		"Dashboards read the views. Tables that end in `_log` may hold a row more than once, because delivery is\n" +
		"at-least-once; the views over them show each fact once. Names, columns and meaning are the same in BigQuery\n" +
		"and in the embedded warehouse.\n")
	views := Views(DuckDB("Asia/Shanghai"))
	slices.SortFunc(views, func(a, b View) int { return strings.Compare(a.Name, b.Name) })
	b.WriteString("\n## Views\n")
	for _, v := range views {
		if !v.Materialized {
			view(&b, v)
		}
	}
	b.WriteString("\n## Views that others are made from\n\nMaterialized views in BigQuery, ordinary ones in the embedded warehouse.\n")
	for _, v := range views {
		if v.Materialized {
			view(&b, v)
		}
	}
	b.WriteString("\n## Tables\n")
	for _, t := range transform.Tables() {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\nPartitioned by day (UTC) of `%s`, clustered by `%s`. Rows equal in `%s` are copies of one fact.\n\n"+
			"| column | type | mode | from the event's | meaning |\n|---|---|---|---|---|\n",
			t.Name, t.Description, t.PartitionBy, strings.Join(t.ClusterBy, "`, `"), strings.Join(t.Key, "`, `"))
		columns(&b, "", t.Columns)
	}
	return b.String()
}

func view(b *strings.Builder, v View) {
	clustered := ""
	if v.Materialized {
		clustered = fmt.Sprintf("\nClustered by `%s`.\n", strings.Join(v.ClusterBy, "`, `"))
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n%s\n| column | meaning |\n|---|---|\n", v.Name, v.Description, clustered)
	for _, c := range v.Columns {
		fmt.Fprintf(b, "| `%s` | %s |\n", c.Name, cell(c.Description))
	}
}

func columns(b *strings.Builder, prefix string, cols []transform.Column) {
	for _, c := range cols {
		source := ""
		if c.Source != "" {
			source = "`" + c.Source + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", prefix+c.Name, c.Type, c.Mode, source, cell(c.Description))
		columns(b, prefix+c.Name+".", c.Columns)
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
