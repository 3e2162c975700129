//go:build cgo && !noduckdb

package duckdb

import (
	"errors"
	"regexp"
	"strings"

	duck "github.com/duckdb/duckdb-go/v2"

	"leadsync/sinks"
)

// What DuckDB says of rows that it refuses, where it says so as text alone:
// the appender passes errors on without their type.
var (
	constraint = regexp.MustCompile(`constraint failed|violates .*constraint`)
	conversion = regexp.MustCompile(`(?i)could not convert|conversion error|malformed json|failed to cast`)
	setup      = regexp.MustCompile(`(Catalog|Binder|Permission) Error`)
)

// classify says what a failed attempt calls for. The code is that of a
// refused row: what DuckDB says of data repeats the data, and is passed on
// to nobody.
func classify(err error) (class sinks.Class, code string) {
	if err == nil {
		return "", ""
	}
	kind := duck.ErrorTypeInvalid // no type
	if de := (*duck.Error)(nil); errors.As(err, &de) {
		kind = de.Type
	}
	text := err.Error()
	untyped := kind == duck.ErrorTypeInvalid
	switch {
	case kind == duck.ErrorTypeConstraint, untyped && constraint.MatchString(text):
		return sinks.Data, "CONSTRAINT"
	case kind == duck.ErrorTypeConversion, untyped && conversion.MatchString(text):
		return sinks.Data, "CONVERSION"
	case kind == duck.ErrorTypeCatalog, kind == duck.ErrorTypeBinder, kind == duck.ErrorTypePermission,
		untyped && setup.MatchString(text):
		return sinks.Setup, ""
	}
	return sinks.Transient, ""
}

// givenUp tells whether the library will not use the database again until it
// has been opened anew.
func givenUp(err error) bool {
	var de *duck.Error
	return errors.As(err, &de) && (de.Type == duck.ErrorTypeFatal || de.Type == duck.ErrorTypeInternal) ||
		strings.Contains(err.Error(), "database has been invalidated")
}
