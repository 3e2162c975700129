package sqlcheck

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-googlesql"

	"leadsync/sinks/bigquery"
)

// aggregates are those that BigQuery keeps up to date by itself.
var aggregates = strings.Fields(`any_value approx_count_distinct array_agg avg bit_and bit_or bit_xor count $count_star
	countif logical_and logical_or max max_by min min_by sum`)

// volatile are functions whose result changes from call to call.
var volatile = strings.Fields(`current_date current_datetime current_time current_timestamp generate_uuid rand session_user`)

// A keeper finds in the query of a materialized view what BigQuery cannot
// keep up to date by itself when rows are added. It allows what is documented
// beyond doubt and no more: base tables, inner joins and UNNEST, one grouping
// on top, and nothing on top of that.
type keeper struct {
	problems []string
	tables   map[string]int
	grouped  int // aggregate scans
}

// unkept returns the reasons for which the statement, which creates a
// materialized view, would be refused.
func unkept(s *googlesql.ResolvedCreateMaterializedViewStmt, views map[string]*query) []string {
	k := &keeper{tables: make(map[string]int)}
	if must(s.HasExplicitColumns()) {
		k.refuse("a list of columns: a materialized view has none")
	}
	top := must(s.Query())
	k.above(top)
	walk(top, k.node)
	for name, n := range k.tables {
		if partitions[name] == "" {
			k.refuse("%s is no table", name)
		}
		if n > 1 {
			k.refuse("%s is joined with itself", name)
		}
	}
	if k.grouped > 1 {
		k.refuse("an aggregate of an aggregate")
	}
	k.partitioned(s, views)
	return k.problems
}

func (k *keeper) refuse(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

// above goes from the top down to the grouping: what is computed or filtered
// there is so from an aggregate.
func (k *keeper) above(s googlesql.ResolvedScanNode) {
	for {
		switch scan := s.(type) {
		case *googlesql.ResolvedProjectScan:
			if len(must(scan.ExprList())) > 0 && hasGrouping(scan) {
				k.refuse("a computation on top of an aggregate")
			}
			s = must(scan.InputScan())
		case *googlesql.ResolvedFilterScan:
			if hasGrouping(scan) {
				k.refuse("a filter on top of an aggregate")
			}
			s = must(scan.InputScan())
		case *googlesql.ResolvedWithScan:
			s = must(scan.Query())
		case *googlesql.ResolvedJoinScan, *googlesql.ResolvedArrayScan:
			if hasGrouping(s) {
				k.refuse("a join on top of an aggregate")
			}
			return
		default:
			return
		}
	}
}

func hasGrouping(s googlesql.ResolvedScanNode) bool {
	found := false
	walk(s, func(n googlesql.ResolvedNode) {
		if _, ok := n.(*googlesql.ResolvedAggregateScan); ok {
			found = true
		}
	})
	return found
}

// node judges one node by itself.
func (k *keeper) node(n googlesql.ResolvedNode) {
	switch n := n.(type) {
	case *googlesql.ResolvedProjectScan, *googlesql.ResolvedFilterScan, *googlesql.ResolvedWithScan, *googlesql.ResolvedWithRefScan:
	case *googlesql.ResolvedTableScan:
		k.tables[must(must(n.Table()).Name())]++
		if must(n.ForSystemTimeExpr()) != nil {
			k.refuse("a table as of another time")
		}
	case *googlesql.ResolvedAggregateScan:
		k.grouped++
		if len(must(n.GroupingSetList())) > 0 {
			k.refuse("grouping sets")
		}
	case *googlesql.ResolvedJoinScan:
		if must(n.JoinType()) != googlesql.ResolvedJoinScanEnums_JoinTypeInner {
			k.refuse("an outer join")
		}
	case *googlesql.ResolvedArrayScan:
		if must(n.IsOuter()) {
			k.refuse("an outer join with an array")
		}
	case *googlesql.ResolvedSubqueryExpr:
		k.refuse("a subquery in an expression")
	case *googlesql.ResolvedFunctionCall:
		if name := must(must(n.Function()).Name()); slices.Contains(volatile, name) {
			k.refuse("%s changes by itself", name)
		}
	case *googlesql.ResolvedAggregateFunctionCall:
		k.aggregate(n)
	case googlesql.ResolvedScanNode:
		k.refuse("a %s", strings.TrimPrefix(fmt.Sprintf("%T", n), "*googlesql.Resolved"))
	}
}

func (k *keeper) aggregate(n *googlesql.ResolvedAggregateFunctionCall) {
	name := must(must(n.Function()).Name())
	if !slices.Contains(aggregates, name) {
		k.refuse("the aggregate %s", name)
	}
	kept := googlesql.ResolvedNonScalarFunctionCallBaseEnums_NullHandlingModifierDefaultNullHandling
	if must(n.Distinct()) || must(n.HavingModifier()) != nil || must(n.Limit()) != nil || must(n.WhereExpr()) != nil ||
		len(must(n.OrderByItemList())) > 0 || must(n.NullHandlingModifier()) != kept {
		k.refuse("%s with DISTINCT, NULLS, HAVING, ORDER BY or LIMIT", name)
	}
	for _, arg := range must(n.ArgumentList()) {
		kind := kindOf(must(arg.Type()))
		if strings.HasPrefix(kind, "STRUCT") || strings.HasPrefix(kind, "ARRAY") {
			k.refuse("%s of a %s", name, kind)
		}
	}
}

// partitioned holds the view's partition column, if it has one, against that
// of the table: it must be the same.
func (k *keeper) partitioned(s *googlesql.ResolvedCreateMaterializedViewStmt, views map[string]*query) {
	for _, e := range must(s.PartitionByList()) {
		walk(e, func(n googlesql.ResolvedNode) {
			ref, ok := n.(*googlesql.ResolvedColumnRef)
			if !ok {
				return
			}
			name := must(must(ref.Column()).Name())
			for _, out := range must(s.OutputColumnList()) {
				if must(out.Name()) != name {
					continue
				}
				r := &reader{views: views, with: make(map[string]googlesql.ResolvedScanNode), whole: make(map[string]bool)}
				r.scan(must(s.Query()), set{idOf(must(out.Column())): true})
				if len(r.whole) > 0 {
					k.refuse("partitioned by %s, which is not the table's partition column", name)
				}
			}
		})
	}
}

// TestMaterializedViews holds the program's materialized views against what
// BigQuery keeps up to date. It catches a view that is meant to be one and is
// not created so.
func TestMaterializedViews(t *testing.T) {
	a := newAnalyzer(t)
	views := a.addViews(t)
	created := make(map[string]bool)
	for _, sql := range bigquery.DDL(configs["plain"]) {
		s, err := a.analyze(sql)
		if err != nil {
			continue // TestDDL tells
		}
		if s, ok := s.(*googlesql.ResolvedCreateMaterializedViewStmt); ok {
			path := strings.Split(must(s.NamePath())[0], ".")
			created[path[len(path)-1]] = true
			for _, problem := range unkept(s, views) {
				t.Errorf("%s\n%s", problem, sql)
			}
		}
	}
	for name, q := range views {
		if q.view.Materialized != created[name] {
			t.Errorf("view %s: materialized: %t, created as one: %t", name, q.view.Materialized, created[name])
		}
	}
}

// TestUnkept judges materialized views of every kind. It catches rules that
// would let one pass that BigQuery refuses.
func TestUnkept(t *testing.T) {
	a := newAnalyzer(t)
	views := a.addViews(t)
	const state = "SELECT tenant_id, entity_id, MAX_BY(owner, sequence) AS owner, MAX(occurred_at) AS last FROM events_log WHERE entity_id IS NOT NULL GROUP BY tenant_id, entity_id"
	for _, test := range []struct{ head, query, want string }{
		{"", state, ""},
		{"CLUSTER BY tenant_id, entity_id", state, ""},
		{"(a, b, c, d)", state, "a list of columns"},
		{"", "SELECT * FROM events_log WHERE object_name = 'lead'", ""},
		{"", "WITH e AS (SELECT * FROM events_log) SELECT event_type, COUNT(*) AS n, COUNTIF(is_follow_up) AS f FROM e GROUP BY event_type", ""},
		{"", "SELECT e.tenant_id, c.field, MIN_BY(c.after_value, e.sequence) AS v FROM events_log AS e, UNNEST(e.changes) AS c GROUP BY 1, 2", ""},
		{"PARTITION BY DATE(occurred_at)", "SELECT occurred_at, COUNT(*) AS n FROM events_log GROUP BY occurred_at", ""},
		{"PARTITION BY DATE(last)", state, "not the table's partition column"},
		{"PARTITION BY day", "SELECT DATE(occurred_at) AS day, COUNT(*) AS n FROM events_log GROUP BY day", "not the table's partition column"},
		{"", "SELECT event_type, COUNT(*) / 10 AS n FROM events_log GROUP BY event_type", "computation on top"},
		{"", "SELECT event_type, COUNT(*) AS n FROM events_log GROUP BY event_type HAVING COUNT(*) > 1", "filter on top"},
		{"", "SELECT n, COUNT(*) AS times FROM (SELECT COUNT(*) AS n FROM events_log GROUP BY tenant_id) GROUP BY n", "aggregate of an aggregate"},
		{"", "SELECT e.n FROM (SELECT tenant_id, COUNT(*) AS n FROM events_log GROUP BY tenant_id) AS e JOIN transitions_log USING (tenant_id)", "join on top"},
		{"", "SELECT COUNT(DISTINCT entity_id) AS n FROM events_log", "count with DISTINCT"},
		{"", "SELECT ARRAY_AGG(owner IGNORE NULLS ORDER BY sequence DESC LIMIT 1) AS o FROM events_log GROUP BY entity_id", "array_agg with DISTINCT, NULLS"},
		{"", "SELECT ANY_VALUE(owner HAVING MAX sequence) AS o FROM events_log GROUP BY entity_id", "any_value with DISTINCT, NULLS, HAVING"},
		{"", "SELECT STRING_AGG(owner) AS o FROM events_log GROUP BY entity_id", "the aggregate string_agg"},
		{"", "SELECT MAX_BY(STRUCT(owner, notes), sequence) AS o FROM events_log GROUP BY entity_id", "of a STRUCT"},
		{"", "SELECT event_id FROM events_log QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY sequence) = 1", "a AnalyticScan"},
		{"", "SELECT event_id FROM events_log UNION ALL SELECT event_id FROM transitions_log", "a SetOperationScan"},
		{"", "SELECT event_id FROM events_log ORDER BY event_id", "a OrderByScan"},
		{"", "SELECT event_id FROM events_log LIMIT 10", "a LimitOffsetScan"},
		{"", "SELECT e.event_id FROM events_log AS e LEFT JOIN transitions_log AS t USING (event_id)", "an outer join"},
		{"", "SELECT e.event_id FROM events_log AS e JOIN transitions_log AS t USING (event_id)", ""},
		{"", "SELECT a.event_id FROM events_log AS a JOIN events_log AS b USING (event_id)", "joined with itself"},
		{"", "SELECT e.event_id FROM events_log AS e LEFT JOIN UNNEST(e.changes) AS c", "an outer join with an array"},
		{"", "SELECT event_id FROM events_log WHERE entity_id IN (SELECT entity_digest FROM erasures)", "a subquery"},
		{"", "SELECT event_id FROM events_log WHERE occurred_at > CURRENT_TIMESTAMP()", "current_timestamp changes"},
		{"", "SELECT event_id FROM events", "events is no table"},
		{"", "SELECT tenant_id, event_type, COUNT(*) AS n FROM events_log GROUP BY ROLLUP (tenant_id, event_type)", "grouping sets"},
	} {
		s, err := a.analyze("CREATE MATERIALIZED VIEW kept " + test.head + " AS " + test.query)
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		got := strings.Join(unkept(s.(*googlesql.ResolvedCreateMaterializedViewStmt), views), "; ")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s %s:\ngot %q, want %q", test.head, test.query, got, test.want)
		}
	}
}
