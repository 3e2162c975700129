package sqlcheck

import (
	"errors"
	"testing"

	"github.com/goccy/go-googlesql"
)

var (
	errOuterJoin  = errors.New("an outer join without an equation between its sides")
	errCorrelated = errors.New("a subquery over a table that depends on the row outside: write a join")
)

// unplanned returns an error for what GoogleSQL gives a meaning and BigQuery
// finds no plan for.
func unplanned(s googlesql.ResolvedStatementNode) error {
	var err error
	walk(s, func(n googlesql.ResolvedNode) {
		switch n := n.(type) {
		case *googlesql.ResolvedJoinScan:
			if must(n.JoinType()) != googlesql.ResolvedJoinScanEnums_JoinTypeInner && !equated(n) {
				err = errors.Join(err, errOuterJoin)
			}
		case *googlesql.ResolvedSubqueryExpr:
			// IN and EXISTS become joins, as long as an equation ties them.
			if len(must(n.ParameterList())) > 0 && readsTable(must(n.Subquery())) && !tied(must(n.Subquery())) {
				err = errors.Join(err, errCorrelated)
			}
		}
	})
	return err
}

// equated tells whether one of the join's conditions equates a value of one
// side with one of the other.
func equated(n *googlesql.ResolvedJoinScan) bool {
	left, right := ids(columnsIn(must(n.LeftScan()))), ids(columnsIn(must(n.RightScan())))
	found := false
	for _, e := range conjuncts(must(n.JoinExpr())) {
		if one, other, ok := equation(e); ok {
			found = found || from(one, left) && from(other, right) || from(one, right) && from(other, left)
		}
	}
	return found
}

// tied tells whether the subquery's only ties to the row outside are
// equations in its filters.
func tied(s googlesql.ResolvedScanNode) bool {
	equations, all := 0, 0
	walk(s, func(n googlesql.ResolvedNode) {
		switch n := n.(type) {
		case *googlesql.ResolvedColumnRef:
			if must(n.IsCorrelated()) {
				all++
			}
		case *googlesql.ResolvedFilterScan:
			for _, e := range conjuncts(must(n.FilterExpr())) {
				if one, other, ok := equation(e); ok && correlated(one) != correlated(other) {
					equations++
				}
			}
		}
	})
	return equations == all
}

func correlated(e googlesql.ResolvedExprNode) bool {
	ref, ok := e.(*googlesql.ResolvedColumnRef)
	return ok && must(ref.IsCorrelated())
}

// conjuncts returns the conditions that must all hold.
func conjuncts(e googlesql.ResolvedExprNode) []googlesql.ResolvedExprNode {
	call, ok := e.(*googlesql.ResolvedFunctionCall)
	if !ok || must(must(call.Function()).Name()) != "$and" {
		return []googlesql.ResolvedExprNode{e}
	}
	var list []googlesql.ResolvedExprNode
	for _, arg := range must(call.ArgumentList()) {
		list = append(list, conjuncts(arg)...)
	}
	return list
}

func equation(e googlesql.ResolvedExprNode) (one, other googlesql.ResolvedExprNode, ok bool) {
	call, ok := e.(*googlesql.ResolvedFunctionCall)
	if !ok || must(must(call.Function()).Name()) != "$equal" {
		return nil, nil, false
	}
	args := must(call.ArgumentList())
	return args[0], args[1], true
}

// from tells whether the expression takes columns from the set and no others.
func from(e googlesql.ResolvedExprNode, columns set) bool {
	some, others := false, false
	walk(e, func(n googlesql.ResolvedNode) {
		if ref, ok := n.(*googlesql.ResolvedColumnRef); ok {
			some = some || columns[idOf(must(ref.Column()))]
			others = others || !columns[idOf(must(ref.Column()))]
		}
	})
	return some && !others
}

func ids(columns []*googlesql.ResolvedColumn) set {
	all := make(set)
	for _, c := range columns {
		all[idOf(c)] = true
	}
	return all
}

// readsTable tells whether a table or view is read, and not only arrays.
func readsTable(s googlesql.ResolvedScanNode) bool {
	found := false
	walk(s, func(n googlesql.ResolvedNode) {
		switch n.(type) {
		case *googlesql.ResolvedTableScan, *googlesql.ResolvedWithRefScan:
			found = true
		}
	})
	return found
}

// TestUnplanned judges joins and subqueries of every kind. It catches rules
// that would let one pass that BigQuery finds no plan for.
func TestUnplanned(t *testing.T) {
	a := newAnalyzer(t)
	a.addViews(t)
	for _, test := range []struct {
		sql  string
		want error
	}{
		{"SELECT 1 FROM events AS e JOIN sync_batches AS b ON e.ingested_at >= b.started_at", nil},
		{"SELECT 1 FROM events AS e LEFT JOIN sync_batches AS b ON e.ingested_at >= b.started_at", errOuterJoin},
		{"SELECT 1 FROM events AS e LEFT JOIN sync_batches AS b ON e.ingest_source = b.ingest_source AND e.ingested_at >= b.started_at", nil},
		{"SELECT 1 FROM events AS e LEFT JOIN sync_batches AS b ON DATE(e.ingested_at) = DATE(b.started_at)", nil},
		{"SELECT 1 FROM events AS e LEFT JOIN sync_batches AS b ON e.ingest_source = 'pubsub' AND e.ingested_at >= b.started_at", errOuterJoin},
		{"SELECT 1 FROM events AS e LEFT JOIN sync_batches AS b ON e.ingest_source = b.ingest_source OR e.ingested_at >= b.started_at", errOuterJoin},
		{"SELECT 1 FROM events AS e FULL JOIN sync_batches AS b USING (ingest_source)", nil},
		{"SELECT (SELECT c.after_value FROM UNNEST(e.changes) AS c WHERE c.field = 'name' LIMIT 1) FROM events AS e", nil},
		{"SELECT (SELECT MAX(t.occurred_at) FROM transitions_log AS t WHERE t.event_id = e.event_id) FROM events AS e", nil},
		{"SELECT (SELECT MAX(t.occurred_at) FROM transitions_log AS t WHERE t.occurred_at < e.occurred_at) FROM events AS e", errCorrelated},
		{"SELECT 1 FROM events AS e WHERE EXISTS (SELECT 1 FROM transitions_log AS t WHERE t.event_id = e.event_id AND t.dimension = 'owner')", nil},
		{"SELECT 1 FROM events AS e WHERE EXISTS (SELECT 1 FROM transitions_log AS t WHERE t.event_id = e.event_id AND t.occurred_at > e.occurred_at)", errCorrelated},
		{"WITH b AS (SELECT * FROM sync_batches) SELECT (SELECT MAX(committed_at) FROM b WHERE started_at < e.ingested_at) FROM events AS e", errCorrelated},
		{"SELECT 1 FROM events WHERE entity_id IN (SELECT entity_digest FROM erasures)", nil},
	} {
		if _, err := a.analyze(test.sql); !errors.Is(err, test.want) || err != nil && test.want == nil {
			t.Errorf("%s:\ngot %v, want %v", test.sql, err, test.want)
		}
	}
}
