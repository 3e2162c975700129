package bqtest

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	rest "google.golang.org/api/bigquery/v2"
)

// defaultRefresh is the service's own interval between refreshes.
const defaultRefresh = 30 * time.Minute

var (
	quotedName = regexp.MustCompile("`([^`]+)`")
	// notIncremental are the clauses that an incremental materialized view
	// cannot have, as far as words tell.
	notIncremental = regexp.MustCompile(`(?i)\b(OVER|QUALIFY|HAVING|ORDER BY|LIMIT|UNION|EXCEPT|INTERSECT|(?:LEFT|RIGHT|FULL)(?: OUTER)? JOIN|TABLESAMPLE|CURRENT_\w+|RAND|GENERATE_UUID|SESSION_USER)\b`)
	sqlComment     = regexp.MustCompile(`(?m)--.*$`)
)

// checkMaterialized refuses a materialized view that cannot be created, as
// far as can be told without analysing its query: the tables that it names
// must be there and be tables. It fills in what the service does. The caller
// holds s.mu.
func (d *dataset) checkMaterialized(in *rest.Table) error {
	m := in.MaterializedView
	query := sqlComment.ReplaceAllString(m.Query, "")
	if word := notIncremental.FindString(query); word != "" && !m.AllowNonIncrementalDefinition {
		return invalid(fmt.Errorf("unsupported operator in materialized view: %s", word))
	}
	for _, name := range quotedName.FindAllStringSubmatch(query, -1) {
		table, ours := strings.CutPrefix(name[1], d.meta.DatasetReference.ProjectId+"."+d.meta.DatasetReference.DatasetId+".")
		if !ours {
			continue
		}
		base, ok := d.tables[table]
		if !ok {
			return notFound("Table", d.meta.Id+"."+table)
		}
		if base.meta.Type != "TABLE" {
			return invalid(fmt.Errorf("materialized view references %s.%s, which is a %s", d.meta.Id, table, base.meta.Type))
		}
	}
	if err := checkMaterializedClustering(in.Clustering, query); err != nil {
		return invalid(err)
	}
	if in.RequirePartitionFilter {
		return invalid(fmt.Errorf("require_partition_filter can only be specified for tables that are partitioned"))
	}
	if m.RefreshIntervalMs == 0 {
		m.RefreshIntervalMs = defaultRefresh.Milliseconds()
	}
	m.LastRefreshTime = 0 // only the service sets it
	return nil
}

// checkMaterializedClustering does not know the columns; but one that the
// query does not even name is none of them.
func checkMaterializedClustering(c *rest.Clustering, query string) error {
	if c == nil {
		return nil
	}
	if len(c.Fields) == 0 || len(c.Fields) > maxClustering {
		return fmt.Errorf("a table is clustered by 1 to %d fields, not %d", maxClustering, len(c.Fields))
	}
	for i, name := range c.Fields {
		switch {
		case !strings.Contains(query, "*") && !regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(name)+`\b`).MatchString(query):
			return fmt.Errorf("the field specified for clustering cannot be found in the schema: %s", name)
		case slices.Contains(c.Fields[:i], name):
			return fmt.Errorf("the field %s is given twice for clustering", name)
		}
	}
	return nil
}

// checkMaterializedChange refuses everything that the service takes only when
// a materialized view is created. The message about the schema is the
// service's own.
func checkMaterializedChange(before, after *rest.Table) error {
	switch {
	case before.MaterializedView.Query != after.MaterializedView.Query:
		return fmt.Errorf("updating the query of materialized view %s is not supported", before.Id)
	case !reflect.DeepEqual(before.Schema, after.Schema):
		return fmt.Errorf("schema update for materialized views is not supported")
	case !reflect.DeepEqual(before.Clustering, after.Clustering):
		return fmt.Errorf("updating the clustering of materialized view %s is not supported", before.Id)
	}
	return nil
}
