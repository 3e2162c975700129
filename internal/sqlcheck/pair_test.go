package sqlcheck

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
)

// TestPair holds the columns that a view has in BigQuery against those that
// it has in the embedded warehouse. It catches a view that means two things:
// an integer here and a fraction there, a date here and an instant there.
func TestPair(t *testing.T) {
	w := openEmbedded(t)
	for name, q := range newAnalyzer(t).addViews(t) {
		var bigquery []string
		for _, c := range q.result {
			bigquery = append(bigquery, c.name+" "+c.kind)
		}
		if diff := cmp.Diff(bigquery, embeddedColumns(t, w, name)); diff != "" {
			t.Errorf("view %s: columns (-BigQuery +embedded):\n%s", name, diff)
		}
	}
}

func openEmbedded(t *testing.T) sinks.Warehouse {
	t.Helper()
	w, err := duckdb.Open(t.Context(), duckdb.Config{Path: duckdb.InMemory, Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// embeddedColumns returns the columns of a table or view of the embedded
// warehouse, each with its type in BigQuery's words.
func embeddedColumns(t *testing.T, w sinks.Warehouse, name string) []string {
	t.Helper()
	sql := fmt.Sprintf("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '%s' ORDER BY column_index", name)
	var list []string
	for _, row := range rowsOf(t, w, sql) {
		kind := kinds.ReplaceAllStringFunc(row[1].(string), func(s string) string { return kindFor[s] })
		list = append(list, row[0].(string)+" "+records(kind))
	}
	return list
}

func rowsOf(t *testing.T, w sinks.Warehouse, sql string) [][]any {
	t.Helper()
	var rows [][]any
	keep := func(row []any) error {
		rows = append(rows, append([]any(nil), row...))
		return nil
	}
	err := w.Query(context.WithoutCancel(t.Context()), sql, func([]string) error { return nil }, keep)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// kindFor has BigQuery's name for each of DuckDB's types that a column may
// have. Another one, a HUGEINT that a sum makes or an INTEGER that a count of
// months makes, has no equal in BigQuery: cast it, AS BIGINT is good for both.
var kindFor = map[string]string{
	"BIGINT":                   "INT64",
	"BLOB":                     "BYTES",
	"BOOLEAN":                  "BOOL",
	"DATE":                     "DATE",
	"DOUBLE":                   "FLOAT64",
	"JSON":                     "JSON",
	"TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
	"VARCHAR":                  "STRING",
}

// kinds finds the names of types in the name of a type.
var kinds = regexp.MustCompile(`\b(BIGINT|BLOB|BOOLEAN|DATE|DOUBLE|JSON|TIMESTAMP WITH TIME ZONE|VARCHAR)\b`)

// records writes DuckDB's structs and lists as BigQuery writes them. There is
// one depth of them.
func records(kind string) string {
	kind, list := strings.CutSuffix(kind, "[]")
	if fields, ok := strings.CutPrefix(kind, "STRUCT("); ok {
		kind = "STRUCT<" + strings.ReplaceAll(strings.TrimSuffix(fields, ")"), `"`, "") + ">"
	}
	if list {
		kind = "ARRAY<" + kind + ">"
	}
	return kind
}
