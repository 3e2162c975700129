package sqlcheck

import (
	"maps"
	"slices"

	"github.com/goccy/go-googlesql"

	"leadsync/transform"
)

// partitions are the partition columns of the tables.
var partitions = func() map[string]string {
	m := make(map[string]string)
	for _, t := range transform.Tables() {
		m[t.Name] = t.PartitionBy
	}
	return m
}()

// A reader finds the tables that a statement reads without a filter on their
// partition column. It follows each filter down through the statement and the
// views as far as BigQuery can push it: not past a window that is not
// partitioned by the filtered column, not past an aggregate that is not
// grouped by it, not past a limit, and never as a function of the column.
type reader struct {
	views map[string]*query
	with  map[string]googlesql.ResolvedScanNode // the WITH clauses of the statement
	whole map[string]bool                       // tables that are read whole
}

// readWhole returns the tables of which the statement reads every partition.
func readWhole(s googlesql.ResolvedStatementNode, views map[string]*query) []string {
	r := &reader{views: views, with: make(map[string]googlesql.ResolvedScanNode), whole: make(map[string]bool)}
	switch s := s.(type) {
	case *googlesql.ResolvedDeleteStmt:
		r.target(must(s.TableScan()), must(s.WhereExpr()))
		r.inside(must(s.WhereExpr()))
	case *googlesql.ResolvedUpdateStmt:
		r.target(must(s.TableScan()), must(s.WhereExpr()))
		r.inside(must(s.WhereExpr()))
		for _, item := range must(s.UpdateItemList()) {
			r.inside(item)
		}
		if from := must(s.FromScan()); from != nil {
			r.scan(from, bounded(must(s.WhereExpr())))
		}
	case *googlesql.ResolvedMergeStmt:
		r.target(must(s.TableScan()), must(s.MergeExpr()))
		r.scan(must(s.FromScan()), nil)
	case *googlesql.ResolvedInsertStmt:
		if q := must(s.Query()); q != nil {
			r.scan(q, nil)
		}
	default:
		r.inside(s)
	}
	return slices.Sorted(maps.Keys(r.whole))
}

// pushable returns the columns of a view's result on which a filter reaches
// the partition column of every table below the view.
func pushable(q *query, views map[string]*query) []string {
	var list []string
	for _, c := range q.result {
		r := &reader{views: views, whole: make(map[string]bool)}
		r.view(q, []string{c.name})
		if len(r.whole) == 0 {
			list = append(list, c.name)
		}
	}
	return list
}

// wholeBelow returns the tables that the view reads whole if nothing is filtered.
func wholeBelow(q *query, views map[string]*query) []string {
	return readWhole(q.tree, views)
}

// view reads a view of which the named columns are filtered.
func (r *reader) view(q *query, filtered []string) {
	below := &reader{views: r.views, with: make(map[string]googlesql.ResolvedScanNode), whole: r.whole}
	ids := make(set)
	for _, out := range must(q.tree.OutputColumnList()) {
		if slices.Contains(filtered, must(out.Name())) {
			ids[idOf(must(out.Column()))] = true
		}
	}
	below.scan(must(q.tree.Query()), ids)
}

// target reads the rows that a statement changes.
func (r *reader) target(table *googlesql.ResolvedTableScan, where googlesql.ResolvedExprNode) {
	r.scan(table, bounded(where))
}

// scan reads rows of which the columns are filtered.
func (r *reader) scan(s googlesql.ResolvedScanNode, filtered set) {
	switch s := s.(type) {
	case *googlesql.ResolvedTableScan:
		r.table(s, filtered)
	case *googlesql.ResolvedFilterScan:
		r.inside(must(s.FilterExpr()))
		r.scan(must(s.InputScan()), union(filtered, bounded(must(s.FilterExpr()))))
	case *googlesql.ResolvedProjectScan:
		list := must(s.ExprList())
		r.exprs(list)
		r.scan(must(s.InputScan()), union(filtered, sources(list, filtered)))
	case *googlesql.ResolvedAggregateScan:
		r.exprs(must(s.GroupByList()))
		below := sources(must(s.GroupByList()), filtered)
		if len(must(s.GroupingSetList())) > 0 {
			below = nil
		}
		r.scan(must(s.InputScan()), below)
	case *googlesql.ResolvedAnalyticScan:
		r.scan(must(s.InputScan()), withinPartitions(s, filtered))
	case *googlesql.ResolvedJoinScan:
		r.join(s, filtered)
	case *googlesql.ResolvedOrderByScan:
		r.scan(must(s.InputScan()), filtered)
	case *googlesql.ResolvedArrayScan:
		if input := must(s.InputScan()); input != nil {
			r.scan(input, filtered)
		}
		for _, e := range must(s.ArrayExprList()) {
			r.inside(e)
		}
	case *googlesql.ResolvedWithScan:
		for _, entry := range must(s.WithEntryList()) {
			r.with[must(entry.WithQueryName())] = must(entry.WithSubquery())
		}
		r.scan(must(s.Query()), filtered)
	case *googlesql.ResolvedWithRefScan:
		entry := r.with[must(s.WithQueryName())]
		r.scan(entry, matching(must(s.ColumnList()), columnsIn(entry), filtered))
	case *googlesql.ResolvedSetOperationScan:
		for _, item := range must(s.InputItemList()) {
			r.scan(must(item.Scan()), matching(must(s.ColumnList()), must(item.OutputColumnList()), filtered))
		}
	default:
		r.inside(s)
	}
}

// table reads a table or view.
func (r *reader) table(s *googlesql.ResolvedTableScan, filtered set) {
	name := must(must(s.Table()).Name())
	var names []string
	for i, c := range must(s.ColumnList()) {
		if filtered[idOf(c)] {
			names = append(names, must(must(must(s.Table()).GetColumn(must(s.ColumnIndexList2(int32(i))))).Name()))
		}
	}
	q := r.views[name]
	switch {
	case q != nil && q.view.Materialized:
	case q != nil:
		r.view(q, names)
	case !slices.Contains(names, partitions[name]):
		r.whole[name] = true
	}
}

// join hands a filter to both sides, each of which knows its own columns, but
// not past the side of an outer join that may be absent: its filters are the
// condition of the join, which in turn bounds that side alone.
func (r *reader) join(s *googlesql.ResolvedJoinScan, filtered set) {
	var on set
	if e := must(s.JoinExpr()); e != nil {
		r.inside(e)
		on = bounded(e)
	}
	left, right := filtered, filtered
	switch must(s.JoinType()) {
	case googlesql.ResolvedJoinScanEnums_JoinTypeInner:
		left, right = union(filtered, on), union(filtered, on)
	case googlesql.ResolvedJoinScanEnums_JoinTypeLeft:
		right = on
	case googlesql.ResolvedJoinScanEnums_JoinTypeRight:
		left = on
	default:
		left, right = nil, nil
	}
	r.scan(must(s.LeftScan()), left)
	r.scan(must(s.RightScan()), right)
}

func (r *reader) exprs(list []*googlesql.ResolvedComputedColumn) {
	for _, c := range list {
		r.inside(must(c.Expr()))
	}
}

// inside reads what is below a node that no filter passes.
func (r *reader) inside(n googlesql.ResolvedNode) {
	for _, child := range must(n.GetChildNodes()) {
		r.child(child)
	}
}

func (r *reader) child(n googlesql.ResolvedNode) {
	if s, ok := n.(googlesql.ResolvedScanNode); ok {
		r.scan(s, nil)
		return
	}
	r.inside(n)
}
