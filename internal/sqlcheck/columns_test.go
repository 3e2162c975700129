package sqlcheck

import (
	"maps"

	"github.com/goccy/go-googlesql"
)

// A set holds ids of columns. A resolved statement numbers its columns.
type set map[int32]bool

// bounded returns the columns that the condition compares with something that
// is the same for all rows.
func bounded(e googlesql.ResolvedExprNode) set {
	call, ok := e.(*googlesql.ResolvedFunctionCall)
	if !ok {
		return nil
	}
	args := must(call.ArgumentList())
	switch must(must(call.Function()).Name()) {
	case "$and":
		all := make(set)
		for _, a := range args {
			maps.Copy(all, bounded(a))
		}
		return all
	case "$or":
		common := bounded(args[0])
		for _, a := range args[1:] {
			other := bounded(a)
			maps.DeleteFunc(common, func(id int32, _ bool) bool { return !other[id] })
		}
		return common
	case "$equal", "$less", "$less_or_equal", "$greater", "$greater_or_equal", "$between", "$in":
		return comparedWithConstants(args)
	}
	return nil
}

func comparedWithConstants(args []googlesql.ResolvedExprNode) set {
	columns := make(set)
	for _, a := range args {
		if ref, ok := a.(*googlesql.ResolvedColumnRef); ok {
			columns[idOf(must(ref.Column()))] = true
			continue
		}
		walk(a, func(n googlesql.ResolvedNode) {
			switch n.(type) {
			case *googlesql.ResolvedColumnRef, *googlesql.ResolvedSubqueryExpr:
				columns[-1] = true // depends on the row, or is not known before the query runs
			}
		})
	}
	if len(columns) != 1 || columns[-1] {
		return nil
	}
	return columns
}

func union(a, b set) set {
	all := maps.Clone(a)
	if all == nil {
		return b
	}
	maps.Copy(all, b)
	return all
}

// columnsIn returns the columns of a scan's rows.
func columnsIn(s googlesql.ResolvedScanNode) []*googlesql.ResolvedColumn {
	return must(s.(interface {
		ColumnList() ([]*googlesql.ResolvedColumn, error)
	}).ColumnList())
}

func idOf(c *googlesql.ResolvedColumn) int32 { return must(c.ColumnId()) }

// sources returns the columns that the computed ones repeat unchanged, as far
// as these are in the set.
func sources(list []*googlesql.ResolvedComputedColumn, filtered set) set {
	below := make(set)
	for _, c := range list {
		if ref, ok := must(c.Expr()).(*googlesql.ResolvedColumnRef); ok && filtered[idOf(must(c.Column()))] {
			below[idOf(must(ref.Column()))] = true
		}
	}
	return below
}

// withinPartitions returns those of the columns that every window of the scan
// is partitioned by.
func withinPartitions(s *googlesql.ResolvedAnalyticScan, filtered set) set {
	below := maps.Clone(filtered)
	for _, group := range must(s.FunctionGroupList()) {
		keys := make(set)
		if by := must(group.PartitionBy()); by != nil {
			for _, ref := range must(by.PartitionByList()) {
				keys[idOf(must(ref.Column()))] = true
			}
		}
		maps.DeleteFunc(below, func(id int32, _ bool) bool { return !keys[id] })
	}
	return below
}

// matching returns the columns of below at whose place above has a filtered one.
func matching(above, below []*googlesql.ResolvedColumn, filtered set) set {
	ids := make(set)
	for i, c := range above {
		if filtered[idOf(c)] {
			ids[idOf(below[i])] = true
		}
	}
	return ids
}
