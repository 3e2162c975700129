package sqlcheck

import (
	"testing"

	"github.com/goccy/go-googlesql"
	"github.com/google/go-cmp/cmp"

	"leadsync/sinks"
)

// A query is a view's query, resolved.
type query struct {
	view   sinks.View
	tree   *googlesql.ResolvedQueryStmt
	result []column
}

// addViews analyzes the query of every view and makes the view known to those
// after it. It reports a query that is wrong; to those that read the view there
// is no such view then.
func (a *analyzer) addViews(t *testing.T) map[string]*query {
	t.Helper()
	queries := make(map[string]*query)
	for _, v := range sinks.Views(sinks.BigQuery(project, dataset, zone)) {
		s, err := a.analyze(v.SQL)
		if err != nil {
			t.Errorf("view %s: %v", v.Name, err)
			continue
		}
		q := &query{view: v, tree: s.(*googlesql.ResolvedQueryStmt), result: resultOf(s)}
		queries[v.Name] = q
		a.add(v.Name, q.result)
	}
	return queries
}

// TestViews holds the columns of each view's query against those that its
// file describes. It catches a view that BigQuery would refuse, and a column
// that is missing, out of order or misnamed.
func TestViews(t *testing.T) {
	for name, q := range newAnalyzer(t).addViews(t) {
		var described, got []string
		for _, c := range q.view.Columns {
			described = append(described, c.Name)
		}
		for _, c := range q.result {
			got = append(got, c.name)
		}
		if diff := cmp.Diff(described, got); diff != "" {
			t.Errorf("view %s: columns (-described +queried):\n%s", name, diff)
		}
	}
}
