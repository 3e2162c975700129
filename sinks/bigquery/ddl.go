package bigquery

import (
	"fmt"
	"strconv"
	"strings"

	"leadsync/sinks"
	"leadsync/transform"
)

// DDL returns the statements that create the dataset, every table and every
// view, in order, each ended by a semicolon. It needs no connection.
func DDL(c Config) []string {
	c = c.withDefaults()
	list := []string{createDatasetSQL(c)}
	tables := transform.Tables()
	for i := range tables {
		list = append(list, createTableSQL(c, &tables[i]))
	}
	for _, v := range sinks.Views(c.dialect()) {
		if v.Materialized {
			list = append(list, createMaterializedSQL(c, v))
		} else {
			list = append(list, createViewSQL(c, v))
		}
	}
	return list
}

func (c Config) dialect() sinks.Dialect { return sinks.BigQuery(c.ProjectID, c.Dataset, c.Zone) }

// relation returns the quoted name of a table or view.
func (c Config) relation(name string) string { return c.dialect().Relation(name) }

func createDatasetSQL(c Config) string {
	name := c.Dataset
	if c.ProjectID != "" {
		name = c.ProjectID + "." + c.Dataset
	}
	sql := fmt.Sprintf("CREATE SCHEMA IF NOT EXISTS `%s`", name)
	if c.Location != "" {
		sql += "\nOPTIONS (location=" + quote(c.Location) + ")"
	}
	return sql + ";"
}

func createTableSQL(c Config, t *transform.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (\n", c.relation(t.Name))
	for i, col := range t.Columns {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString("  " + columnSQL(&col))
	}
	fmt.Fprintf(&b, "\n)\nPARTITION BY DATE(%s)\nCLUSTER BY %s\nOPTIONS (description=%s",
		t.PartitionBy, strings.Join(t.ClusterBy, ", "), quote(t.Description))
	if c.RequirePartitionFilter {
		b.WriteString(", require_partition_filter=true")
	}
	b.WriteString(");")
	return b.String()
}

func createViewSQL(c Config, v sinks.View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s", c.relation(v.Name))
	for i, col := range v.Columns {
		b.WriteString([]string{" (\n", ",\n"}[min(i, 1)])
		b.WriteString("  " + col.Name + descriptionSQL(col.Description))
	}
	if len(v.Columns) > 0 {
		b.WriteString("\n)")
	}
	fmt.Fprintf(&b, "\nOPTIONS (description=%s)\nAS\n%s;", quote(v.Description), strings.TrimSpace(v.SQL))
	return b.String()
}

func createMaterializedSQL(c Config, v sinks.View) string {
	return fmt.Sprintf("CREATE MATERIALIZED VIEW IF NOT EXISTS %s\nCLUSTER BY %s\nOPTIONS (enable_refresh=true, refresh_interval_minutes=%d, description=%s)\nAS\n%s;",
		c.relation(v.Name), strings.Join(v.ClusterBy, ", "), int(refreshInterval.Minutes()), quote(describeMaterialized(v)), strings.TrimSpace(v.SQL))
}

func replaceMaterializedSQL(c Config, v sinks.View) string {
	return fmt.Sprintf("DROP MATERIALIZED VIEW IF EXISTS %s;\n%s", c.relation(v.Name), createMaterializedSQL(c, v))
}

func describeMaterializedSQL(c Config, v sinks.View) string {
	return fmt.Sprintf("ALTER MATERIALIZED VIEW %s SET OPTIONS (description=%s);", c.relation(v.Name), quote(describeMaterialized(v)))
}

func columnSQL(c *transform.Column) string {
	sql := c.Name + " " + typeSQL(c)
	if c.Mode == transform.Required {
		sql += " NOT NULL"
	}
	return sql + descriptionSQL(c.Description)
}

func typeSQL(c *transform.Column) string {
	name := c.Type.String()
	if c.Type == transform.Record {
		nested := make([]string, len(c.Columns))
		for i := range c.Columns {
			nested[i] = columnSQL(&c.Columns[i])
		}
		name = "STRUCT<" + strings.Join(nested, ", ") + ">"
	}
	if c.Mode == transform.Repeated {
		name = "ARRAY<" + name + ">"
	}
	return name
}

func descriptionSQL(text string) string {
	if text == "" {
		return ""
	}
	return " OPTIONS (description=" + quote(text) + ")"
}

func (d *diff) alterSQL(what string) string {
	return fmt.Sprintf("ALTER TABLE %s %s;", d.config.relation(d.table.Name), what)
}

func (d *diff) addSQL(path string, c *transform.Column) string {
	if path != "" {
		return nestedSQL
	}
	return d.alterSQL("ADD COLUMN IF NOT EXISTS " + columnSQL(c))
}

func (d *diff) describeSQL(path string, c *transform.Column) string {
	if path != "" {
		return nestedSQL
	}
	return d.alterSQL(fmt.Sprintf("ALTER COLUMN %s SET OPTIONS (description=%s)", c.Name, quote(c.Description)))
}

func (d *diff) relaxSQL(path string, c *transform.Column) string {
	if path != "" {
		return nestedSQL
	}
	return d.alterSQL(fmt.Sprintf("ALTER COLUMN %s DROP NOT NULL", c.Name))
}

func (d *diff) clusterSQL() string {
	return fmt.Sprintf("-- No SQL does this: bq update --clustering_fields=%s %s.%s",
		strings.Join(d.table.ClusterBy, ","), d.config.Dataset, d.table.Name)
}

// nestedSQL stands where BigQuery has no statement.
const nestedSQL = "-- No SQL changes a column inside a RECORD: bq update with the table's whole schema."

// quote returns a string literal of GoogleSQL, whose escapes are those of Go.
func quote(s string) string { return strconv.Quote(s) }
