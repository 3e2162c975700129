package sqlcheck

import (
	"testing"

	"github.com/goccy/go-googlesql"

	"leadsync/sinks/bigquery"
)

// BigQuery's limits.
const (
	maxColumnDescription = 1024    // characters
	maxDescription       = 16384   // characters, of a dataset, table or view
	maxClustering        = 4       // columns
	maxStatement         = 1 << 20 // bytes
	maxNesting           = 16      // views that read views
	maxReads             = 1000    // tables that a query reads, counted each time, views resolved
)

// TestLimits holds the views against BigQuery's limits. It catches one that
// outgrows them.
func TestLimits(t *testing.T) {
	for _, sql := range bigquery.DDL(configs["plain"]) {
		if len(sql) > maxStatement {
			t.Errorf("a statement of %d bytes: %s…", len(sql), sql[:100])
		}
	}
	views := newAnalyzer(t).addViews(t)
	for name, q := range views {
		nesting, reads := measure(q, views)
		t.Logf("view %s: %d levels, %d tables read", name, nesting, reads)
		if nesting > maxNesting || reads > maxReads {
			t.Errorf("view %s: %d levels, %d tables read", name, nesting, reads)
		}
	}
}

// measure returns how many levels of views there are, the view's own among
// them, and how often tables are read. BigQuery reads what a WITH clause reads
// as often as the clause is used.
func measure(q *query, views map[string]*query) (nesting, reads int) {
	with := make(map[string]googlesql.ResolvedScanNode)
	var count func(n googlesql.ResolvedNode)
	count = func(n googlesql.ResolvedNode) {
		switch n := n.(type) {
		case *googlesql.ResolvedWithEntry:
			with[must(n.WithQueryName())] = must(n.WithSubquery())
			return
		case *googlesql.ResolvedWithRefScan:
			count(with[must(n.WithQueryName())])
		case *googlesql.ResolvedTableScan:
			below, times := 0, 1
			if v := views[must(must(n.Table()).Name())]; v != nil && !v.view.Materialized {
				below, times = measure(v, views)
			}
			nesting, reads = max(nesting, below), reads+times
		}
		for _, child := range must(n.GetChildNodes()) {
			count(child)
		}
	}
	count(must(q.tree.Query()))
	return nesting + 1, reads
}
