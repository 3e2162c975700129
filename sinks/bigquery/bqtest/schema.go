package bqtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	rest "google.golang.org/api/bigquery/v2"
)

// Limits of the service.
const (
	maxColumns           = 10_000
	maxName              = 1024 // characters, of a dataset or table
	maxNesting           = 15
	maxClustering        = 4
	maxColumnDescription = 1024   // characters
	maxTableDescription  = 16_384 // characters
)

// typeNames maps what the service takes as a type to the name it answers with.
var typeNames = map[string]string{
	"STRING": "STRING", "BYTES": "BYTES",
	"INTEGER": "INTEGER", "INT64": "INTEGER",
	"FLOAT": "FLOAT", "FLOAT64": "FLOAT",
	"BOOLEAN": "BOOLEAN", "BOOL": "BOOLEAN",
	"NUMERIC": "NUMERIC", "BIGNUMERIC": "BIGNUMERIC",
	"TIMESTAMP": "TIMESTAMP", "DATE": "DATE", "TIME": "TIME", "DATETIME": "DATETIME",
	"INTERVAL": "INTERVAL", "RANGE": "RANGE", "GEOGRAPHY": "GEOGRAPHY", "JSON": "JSON",
	"RECORD": "RECORD", "STRUCT": "RECORD",
}

var (
	columnName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,299}$`)
	datasetName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	tableName   = regexp.MustCompile(`^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd}\p{Zs}]+$`)
	labelKey    = regexp.MustCompile(`^\p{Ll}[\p{Ll}\p{N}_-]{0,62}$`)
	labelValue  = regexp.MustCompile(`^[\p{Ll}\p{N}_-]{0,63}$`)

	reservedPrefixes = []string{"_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_sequence_number", "_change_type", "_change_timestamp"}
)

// validName reports whether a dataset or table may have the name.
func validName(form *regexp.Regexp, name string) bool {
	return form.MatchString(name) && utf8.RuneCountInString(name) <= maxName
}

// checkColumns refuses columns that no table can have, and gives types and
// modes the names under which the service answers.
func checkColumns(columns []*rest.TableFieldSchema, path string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("schema is nested deeper than %d levels", maxNesting)
	}
	seen := map[string]bool{}
	for _, c := range columns {
		name := path + c.Name
		if !columnName.MatchString(c.Name) {
			return fmt.Errorf("invalid field name %q: fields must contain only letters, numbers, and underscores, start with a letter or underscore, and be at most 300 characters long", name)
		}
		lower := strings.ToLower(c.Name)
		for _, p := range reservedPrefixes {
			if strings.HasPrefix(lower, p) {
				return fmt.Errorf("invalid field name %q: the prefix is reserved", name)
			}
		}
		if seen[lower] {
			return fmt.Errorf("field %s already exists in schema", name)
		}
		seen[lower] = true
		if n := utf8.RuneCountInString(c.Description); n > maxColumnDescription {
			return fmt.Errorf("description of field %s is %d characters long, the limit is %d", name, n, maxColumnDescription)
		}
		if err := checkType(c, name, depth); err != nil {
			return err
		}
	}
	return nil
}

func checkType(c *rest.TableFieldSchema, name string, depth int) error {
	t, ok := typeNames[strings.ToUpper(c.Type)]
	if !ok {
		return fmt.Errorf("field %s: %q is not a valid value for the type", name, c.Type)
	}
	c.Type = t
	switch strings.ToUpper(c.Mode) {
	case "", "NULLABLE":
		c.Mode = "NULLABLE"
	case "REQUIRED", "REPEATED":
		c.Mode = strings.ToUpper(c.Mode)
	default:
		return fmt.Errorf("field %s: %q is not a valid value for the mode", name, c.Mode)
	}
	if (t == "RECORD") != (len(c.Fields) > 0) {
		return fmt.Errorf("field %s is type %s: fields belong to type RECORD, at least one", name, t)
	}
	return checkColumns(c.Fields, name+".", depth+1)
}

func countColumns(columns []*rest.TableFieldSchema) int {
	n := len(columns)
	for _, c := range columns {
		n += countColumns(c.Fields)
	}
	return n
}

func findColumn(columns []*rest.TableFieldSchema, name string) *rest.TableFieldSchema {
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// checkTable refuses a table that cannot be.
func checkTable(t *rest.Table) error {
	if n := utf8.RuneCountInString(t.Description); n > maxTableDescription {
		return fmt.Errorf("description is %d characters long, the limit is %d", n, maxTableDescription)
	}
	if err := checkLabels(t.Labels); err != nil {
		return err
	}
	var columns []*rest.TableFieldSchema
	if t.Schema != nil {
		columns = t.Schema.Fields
	}
	if err := checkColumns(columns, "", 1); err != nil {
		return err
	}
	if n := countColumns(columns); n > maxColumns {
		return fmt.Errorf("too many total leaf fields: %d, the limit is %d", n, maxColumns)
	}
	if t.View != nil {
		return checkView(t)
	}
	if t.MaterializedView != nil {
		if strings.TrimSpace(t.MaterializedView.Query) == "" {
			return fmt.Errorf("required parameter is missing: materializedView.query")
		}
		return nil
	}
	if err := checkPartitioning(t, columns); err != nil {
		return err
	}
	return checkClustering(t.Clustering, columns)
}

func checkLabels(labels map[string]string) error {
	for k, v := range labels {
		if !labelKey.MatchString(k) || !labelValue.MatchString(v) {
			return fmt.Errorf("label %q with value %q is invalid: lower-case letters, numbers, underscores and dashes, at most 63", k, v)
		}
	}
	return nil
}

func checkView(t *rest.Table) error {
	switch {
	case strings.TrimSpace(t.View.Query) == "":
		return fmt.Errorf("required parameter is missing: view.query")
	case t.View.UseLegacySql:
		return fmt.Errorf("legacy SQL is not taken here; set view.useLegacySql to false")
	case t.TimePartitioning != nil || t.Clustering != nil || t.RequirePartitionFilter:
		return fmt.Errorf("a view cannot be partitioned or clustered")
	}
	return nil
}

func checkPartitioning(t *rest.Table, columns []*rest.TableFieldSchema) error {
	p := t.TimePartitioning
	if p == nil {
		if t.RequirePartitionFilter {
			return fmt.Errorf("require_partition_filter can only be specified for tables that are partitioned")
		}
		return nil
	}
	// The older place of the setting, still answered by the service.
	if p.RequirePartitionFilter {
		t.RequirePartitionFilter = true
	}
	p.RequirePartitionFilter = t.RequirePartitionFilter
	if !slices.Contains([]string{"DAY", "HOUR", "MONTH", "YEAR"}, p.Type) {
		return fmt.Errorf("invalid value for timePartitioning.type: %q", p.Type)
	}
	if p.ExpirationMs < 0 {
		return fmt.Errorf("invalid value for timePartitioning.expirationMs: %d", p.ExpirationMs)
	}
	if p.Field == "" {
		return nil
	}
	c := findColumn(columns, p.Field)
	if c == nil {
		return fmt.Errorf("the field specified for partitioning cannot be found in the schema: %s", p.Field)
	}
	timed := c.Type == "TIMESTAMP" || c.Type == "DATE" || c.Type == "DATETIME"
	if !timed || c.Mode == "REPEATED" || c.Type == "DATE" && p.Type == "HOUR" {
		return fmt.Errorf("the field %s of type %s and mode %s cannot partition by %s", p.Field, c.Type, c.Mode, p.Type)
	}
	return nil
}

func checkClustering(c *rest.Clustering, columns []*rest.TableFieldSchema) error {
	if c == nil {
		return nil
	}
	if len(c.Fields) == 0 || len(c.Fields) > maxClustering {
		return fmt.Errorf("a table is clustered by 1 to %d fields, not %d", maxClustering, len(c.Fields))
	}
	allowed := []string{"STRING", "INTEGER", "BOOLEAN", "TIMESTAMP", "DATE", "DATETIME", "NUMERIC", "BIGNUMERIC", "GEOGRAPHY", "RANGE"}
	for i, name := range c.Fields {
		col := findColumn(columns, name)
		switch {
		case col == nil:
			return fmt.Errorf("the field specified for clustering cannot be found in the schema: %s", name)
		case !slices.Contains(allowed, col.Type) || col.Mode == "REPEATED":
			return fmt.Errorf("the field %s of type %s and mode %s cannot be used for clustering", name, col.Type, col.Mode)
		case slices.Contains(c.Fields[:i], name):
			return fmt.Errorf("the field %s is given twice for clustering", name)
		}
	}
	return nil
}
