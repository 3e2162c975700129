//go:build cgo && !noduckdb

package duckdb

import (
	"errors"
	"regexp"
	"strings"

	duck "github.com/duckdb/duckdb-go/v2"

	"leadsync/sinks"
)

// An appendError is what the appender says, which is text without a type.
type appendError string

// Error leaves out whatever is quoted: it may be a value.
func (e appendError) Error() string { return quoted.ReplaceAllString(string(e), "…") }

var (
	quoted     = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	constraint = regexp.MustCompile(`(?i)constraint (failed|violation)|violates .*constraint`)
	conversion = regexp.MustCompile(`(?i)could not convert|conversion error|malformed json|failed to cast|no value for its column`)
	setup      = regexp.MustCompile(`(?i)(catalog|binder|permission) error|does not exist|does not have a column`)
)

// classify says what a failed attempt calls for. The code is that of a
// refused row: what DuckDB says of data repeats the data, and is passed on
// to nobody.
func classify(err error) (class sinks.Class, code string) {
	if err == nil {
		return "", ""
	}
	if errors.Is(err, errMoved) {
		return sinks.Setup, ""
	}
	if text := appendError(""); errors.As(err, &text) {
		switch raw := string(text); {
		case constraint.MatchString(raw):
			return sinks.Data, "CONSTRAINT"
		case conversion.MatchString(raw):
			return sinks.Data, "CONVERSION"
		case setup.MatchString(raw):
			return sinks.Setup, ""
		}
		return sinks.Transient, ""
	}
	if de := (*duck.Error)(nil); errors.As(err, &de) {
		switch de.Type {
		case duck.ErrorTypeConstraint:
			return sinks.Data, "CONSTRAINT"
		case duck.ErrorTypeConversion:
			return sinks.Data, "CONVERSION"
		case duck.ErrorTypeCatalog, duck.ErrorTypeBinder, duck.ErrorTypePermission:
			return sinks.Setup, ""
		}
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
