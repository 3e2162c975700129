package bqtest

import (
	"fmt"

	rest "google.golang.org/api/bigquery/v2"
)

// checkChange refuses a change of a table that the service refuses, and
// gives the columns the order they will have: new ones come last.
func checkChange(before, after *rest.Table) error {
	name := before.Id
	if (before.View == nil) != (after.View == nil) || (before.MaterializedView == nil) != (after.MaterializedView == nil) {
		return fmt.Errorf("cannot change the type of %s", name)
	}
	if before.MaterializedView != nil {
		return checkMaterializedChange(before, after)
	}
	if before.View != nil {
		return nil
	}
	b, a := before.TimePartitioning, after.TimePartitioning
	switch {
	case (b == nil) != (a == nil):
		return fmt.Errorf("cannot add or remove the partitioning of table %s", name)
	case b != nil && (b.Field != a.Field || b.Type != a.Type):
		return fmt.Errorf("cannot change partitioning spec for table %s", name)
	}
	if before.Schema == nil {
		return nil
	}
	if after.Schema == nil {
		return fmt.Errorf("provided schema does not match table %s: it has no fields", name)
	}
	fields, err := mergeColumns(before.Schema.Fields, after.Schema.Fields, "")
	if err != nil {
		return fmt.Errorf("provided schema does not match table %s: %w", name, err)
	}
	after.Schema.Fields = fields
	return nil
}

// mergeColumns returns the columns of after in the order of before.
func mergeColumns(before, after []*rest.TableFieldSchema, path string) ([]*rest.TableFieldSchema, error) {
	var merged []*rest.TableFieldSchema
	for _, b := range before {
		a := findColumn(after, b.Name)
		if a == nil {
			return nil, fmt.Errorf("field %s%s is missing in new schema", path, b.Name)
		}
		if a.Type != b.Type {
			return nil, fmt.Errorf("field %s%s has changed type from %s to %s", path, b.Name, b.Type, a.Type)
		}
		if a.Mode != b.Mode && (b.Mode != "REQUIRED" || a.Mode != "NULLABLE") {
			return nil, fmt.Errorf("field %s%s has changed mode from %s to %s", path, b.Name, b.Mode, a.Mode)
		}
		fields, err := mergeColumns(b.Fields, a.Fields, path+b.Name+".")
		if err != nil {
			return nil, err
		}
		a.Fields = fields
		merged = append(merged, a)
	}
	for _, a := range after {
		if findColumn(before, a.Name) != nil {
			continue
		}
		if a.Mode == "REQUIRED" {
			return nil, fmt.Errorf("cannot add required fields to an existing schema (field: %s%s)", path, a.Name)
		}
		merged = append(merged, a)
	}
	return merged, nil
}
