package sinks

import (
	"fmt"
	"strings"
	"text/template"
)

// A Dialect is what the warehouses' SQL differs in, as far as the views need
// it. Everything else in the views is written so that every warehouse reads
// it alike. The functions take and give SQL expressions.
type Dialect struct {
	// Relation names a table or view of ours, quoted and qualified.
	Relation func(name string) string
	// Now is the present instant.
	Now string
	// Seconds is the whole seconds between two instants.
	Seconds func(from, to string) string
	// Day is the date of an instant in the source's time zone.
	Day func(instant string) string
	// Unnest is the FROM item with one row per element of a repeated column;
	// alias is the element.
	Unnest func(list, alias string) string
	// Contains tells whether an array without NULLs has a value that is not NULL.
	Contains func(list, value string) string
	// Latest is the aggregate that gives, of the values that are not NULL,
	// the one with the highest order.
	Latest func(value, order string) string
}

func (d Dialect) functions() template.FuncMap {
	return template.FuncMap{
		"relation": d.Relation,
		"now":      func() string { return d.Now },
		"seconds":  d.Seconds,
		"day":      d.Day,
		"unnest":   d.Unnest,
		"contains": d.Contains,
		"latest":   d.Latest,
	}
}

// BigQuery returns the dialect of GoogleSQL for the tables of a dataset. The
// zone, an IANA name, is that in which views count days.
func BigQuery(project, dataset, zone string) Dialect {
	return Dialect{
		Relation: func(name string) string { return fmt.Sprintf("`%s.%s.%s`", project, dataset, name) },
		Now:      "CURRENT_TIMESTAMP()",
		Seconds:  func(from, to string) string { return fmt.Sprintf("TIMESTAMP_DIFF(%s, %s, SECOND)", to, from) },
		Day:      func(instant string) string { return fmt.Sprintf("DATE(%s, %s)", instant, quote(zone)) },
		Unnest:   func(list, alias string) string { return fmt.Sprintf("UNNEST(%s) AS %s", list, alias) },
		Contains: func(list, value string) string { return fmt.Sprintf("%s IN UNNEST(%s)", value, list) },
		Latest: func(value, order string) string {
			// MAX_BY would give NULL where the latest value is NULL.
			return fmt.Sprintf("ARRAY_AGG(%s IGNORE NULLS ORDER BY %s DESC LIMIT 1)[SAFE_OFFSET(0)]", value, order)
		},
	}
}

// DuckDB returns the dialect of the embedded warehouse. The zone, an IANA
// name, is that in which views count days.
func DuckDB(zone string) Dialect {
	return Dialect{
		Relation: func(name string) string { return name },
		Now:      "now()",
		Seconds:  func(from, to string) string { return fmt.Sprintf("date_sub('second', %s, %s)", from, to) },
		Day: func(instant string) string {
			return fmt.Sprintf("CAST(timezone(%s, %s) AS DATE)", quote(zone), instant)
		},
		Unnest:   func(list, alias string) string { return fmt.Sprintf("UNNEST(%s) AS %[2]s_list(%[2]s)", list, alias) },
		Contains: func(list, value string) string { return fmt.Sprintf("list_contains(%s, %s)", list, value) },
		Latest: func(value, order string) string {
			// arg_max passes over values that are NULL.
			return fmt.Sprintf("arg_max(%s, %s)", value, order)
		},
	}
}

// quote returns a string literal. The names of time zones, for which it is
// used, have neither quotes nor backslashes.
func quote(s string) string { return "'" + strings.NewReplacer(`'`, "", `\`, "").Replace(s) + "'" }
