//go:build cgo && !noduckdb

package duckdb

import (
	"fmt"
	"strings"

	"leadsync/sinks"
	"leadsync/transform"
)

// createTable returns the statements that create the table with its
// descriptions.
func createTable(t *transform.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", t.Name)
	for i := range t.Columns {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  %s", columnDefinition(&t.Columns[i]))
	}
	b.WriteString("\n);\n")
	b.WriteString(commentOn("TABLE", t.Name, t.Description))
	for _, c := range t.Columns {
		b.WriteString(commentOn("COLUMN", t.Name+"."+c.Name, c.Description))
	}
	return b.String()
}

// createView returns the statements that create the view, or replace it, with
// its descriptions.
func createView(v sinks.View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s AS\n%s;\n", v.Name, v.SQL)
	b.WriteString(commentOn("VIEW", v.Name, v.Description))
	for _, c := range v.Columns {
		b.WriteString(commentOn("COLUMN", v.Name+"."+c.Name, c.Description))
	}
	return b.String()
}

func commentOn(kind, name, text string) string {
	return fmt.Sprintf("COMMENT ON %s %s IS '%s';\n", kind, name, strings.ReplaceAll(text, "'", "''"))
}

func columnDefinition(c *transform.Column) string {
	definition := c.Name + " " + columnType(c)
	if c.Mode == transform.Required {
		definition += " NOT NULL"
	}
	return definition
}

// columnType returns the type in the words of DuckDB's catalog.
func columnType(c *transform.Column) string {
	var name string
	switch c.Type {
	case transform.Int64:
		name = "BIGINT"
	case transform.Bool:
		name = "BOOLEAN"
	case transform.Timestamp:
		name = "TIMESTAMP WITH TIME ZONE"
	case transform.JSON:
		name = "JSON"
	case transform.Bytes:
		name = "BLOB"
	case transform.Record:
		fields := make([]string, len(c.Columns))
		for i := range c.Columns {
			fields[i] = c.Columns[i].Name + " " + columnType(&c.Columns[i])
		}
		name = "STRUCT(" + strings.Join(fields, ", ") + ")"
	default:
		name = "VARCHAR"
	}
	if c.Mode == transform.Repeated {
		name += "[]"
	}
	return name
}
