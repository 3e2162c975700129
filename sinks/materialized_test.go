package sinks_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"leadsync/sinks"
	"leadsync/transform"
)

// What BigQuery keeps up to date by itself, from its documentation of
// incremental materialized views.
var (
	// notIncremental are clauses that such a view cannot have.
	notIncremental = regexp.MustCompile(`(?i)\b(WITH|DISTINCT|OVER|QUALIFY|HAVING|WINDOW|ORDER|LIMIT|UNION|EXCEPT|INTERSECT|JOIN|TABLESAMPLE|CURRENT_\w+|RAND|GENERATE_UUID|SESSION_USER|ARRAY|STRUCT|TO_JSON_STRING)\b|\[`)
	// bareAggregate is one of its aggregates with nothing around it, or none.
	bareAggregate = regexp.MustCompile(`^(?:MAX|MIN|MAX_BY|MIN_BY|SUM|COUNT|COUNTIF|ANY_VALUE|LOGICAL_AND|LOGICAL_OR)\(`)
)

// Catches a materialized view that BigQuery would refuse to create or could
// not keep up to date, as far as its text tells: a window, a set operation,
// the clock, a view beneath, arithmetic on an aggregate, a column that is
// neither grouped nor aggregated, a clustering by what is not there.
func TestMaterializedViewsAreIncremental(t *testing.T) {
	d := dialects["bigquery"]
	n := 0
	for _, v := range sinks.Views(d) {
		if !v.Materialized {
			if len(v.ClusterBy) > 0 {
				t.Errorf("view %s is clustered and not materialized", v.Name)
			}
			continue
		}
		n++
		sql := withoutComments(v.SQL)
		if found := notIncremental.FindString(sql); found != "" {
			t.Errorf("%s has %s", v.Name, found)
		}
		parts := regexp.MustCompile(`(?s)^SELECT\s(.*?)\sFROM (\S+)(.*)\sGROUP BY ([^()]*)$`).FindStringSubmatch(strings.TrimSpace(sql))
		if parts == nil {
			t.Errorf("%s is not SELECT … FROM … GROUP BY …:\n%s", v.Name, sql)
			continue
		}
		if !slices.ContainsFunc(transform.Tables(), func(table transform.Table) bool { return parts[2] == d.Relation(table.Name) }) {
			t.Errorf("%s reads %s, which is no table", v.Name, parts[2])
		}
		if strings.Contains(parts[3], "`") || strings.Count(parts[3], ",") > strings.Count(parts[3], "UNNEST(") {
			t.Errorf("%s reads more than a table and its repeated columns: %s", v.Name, parts[3])
		}
		grouped := topLevel(parts[4])
		var names []string
		for _, item := range topLevel(parts[1]) {
			expression, name := item, item[strings.LastIndex(item, ".")+1:]
			if at := strings.LastIndex(item, " AS "); at >= 0 {
				expression, name = item[:at], item[at+len(" AS "):]
			}
			names = append(names, name)
			if !slices.Contains(grouped, expression) && !isBareAggregate(expression) {
				t.Errorf("%s: column %s is neither grouped nor an aggregate as it is: %s", v.Name, name, expression)
			}
		}
		for i, c := range v.Columns {
			if i >= len(names) || names[i] != c.Name {
				t.Errorf("%s: columns %v, described is %s in place %d", v.Name, names, c.Name, i)
			}
		}
		for _, name := range v.ClusterBy {
			if !slices.Contains(names, name) || len(v.ClusterBy) > 4 {
				t.Errorf("%s is clustered by %v", v.Name, v.ClusterBy)
			}
		}
	}
	if n == 0 {
		t.Error("there is no materialized view")
	}
}

// topLevel splits a list at the commas that no parentheses enclose.
func topLevel(list string) []string {
	var items []string
	depth, from := 0, 0
	for i, r := range list + "," {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			items = append(items, strings.TrimSpace(list[from:i]))
			from = i + 1
		}
	}
	return items
}

// isBareAggregate tells whether the expression is one call of an aggregate
// and nothing else.
func isBareAggregate(expression string) bool {
	name := bareAggregate.FindString(expression)
	if name == "" {
		return false
	}
	depth := 0
	for i, r := range expression {
		switch r {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 && i < len(expression)-1 {
				return false
			}
		}
	}
	return depth == 0
}

// Catches a check that takes everything for a bare aggregate.
func TestBareAggregate(t *testing.T) {
	for expression, want := range map[string]bool{
		"MAX(a)": true, "MAX_BY(COALESCE(a, ''), b || c)": true,
		"MAX(a) - MIN(a)": false, "COALESCE(MAX(a), 0)": false, "a": false, "MAXIMUM(a)": false, "MAX(a) > MAX(b)": false,
	} {
		if got := isBareAggregate(expression); got != want {
			t.Errorf("%s: %t", expression, got)
		}
	}
}
