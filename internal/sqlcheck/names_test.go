package sqlcheck

import (
	"slices"
	"strings"
	"testing"

	"leadsync/sinks"
	"leadsync/transform"
)

// prefixes are those that BigQuery keeps for itself, whatever the case.
var prefixes = []string{"_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER", "_CHANGE_"}

// TestNames holds every name of a table, view or column against the words
// that one of the warehouses has reserved. It catches a name that people
// would have to quote, and one that only one of them takes.
func TestNames(t *testing.T) {
	a := newAnalyzer(t)
	reserved := make(map[string]bool)
	for _, row := range rowsOf(t, openEmbedded(t), "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'") {
		reserved[row[0].(string)] = true
	}
	if len(reserved) < 50 || !must(a.language.IsReservedKeyword("qualify")) {
		t.Fatal("the reserved words are not found")
	}
	for place, name := range names() {
		if name != strings.ToLower(name) {
			t.Errorf("%s: not in lower case", place)
		}
		if must(a.language.IsReservedKeyword(name)) {
			t.Errorf("%s: reserved in BigQuery", place)
		}
		if reserved[name] {
			t.Errorf("%s: reserved in DuckDB", place)
		}
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(strings.ToUpper(name), p) }) {
			t.Errorf("%s: BigQuery keeps this prefix for itself", place)
		}
	}
}

// names returns every name by the place where it stands.
func names() map[string]string {
	list := make(map[string]string)
	var add func(place string, cols []transform.Column)
	add = func(place string, cols []transform.Column) {
		for _, c := range cols {
			list[place+"."+c.Name] = c.Name
			add(place+"."+c.Name, c.Columns)
		}
	}
	for _, t := range transform.Tables() {
		list[t.Name] = t.Name
		add(t.Name, t.Columns)
	}
	for _, v := range sinks.Views(sinks.BigQuery(project, dataset, zone)) {
		list[v.Name] = v.Name
		for _, c := range v.Columns {
			list[v.Name+"."+c.Name] = c.Name
		}
	}
	return list
}
