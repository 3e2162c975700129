//go:build cgo && !noduckdb

package duckdb

import (
	"fmt"
	"strings"

	"leadsync/sinks"
	"leadsync/transform"
)

// createTable returns the statement that creates the table.
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
	return b.String()
}

// describeTable returns the statements that describe the table and its columns.
func describeTable(t *transform.Table) string {
	text := commentOn("TABLE", t.Name, t.Description)
	for _, c := range t.Columns {
		text += commentOn("COLUMN", t.Name+"."+c.Name, c.Description)
	}
	return text
}

// createView returns the statement that creates the view, or replaces it.
func createView(v sinks.View) string {
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS\n%s;\n", v.Name, v.SQL)
}

// describeView returns the statements that describe the view and its columns.
func describeView(v sinks.View) string {
	text := commentOn("VIEW", v.Name, v.Description)
	for _, c := range v.Columns {
		text += commentOn("COLUMN", v.Name+"."+c.Name, c.Description)
	}
	return text
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
