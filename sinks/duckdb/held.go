package duckdb

import "fmt"

// A HeldError says that another process has the database's file open, which
// belongs to one process at a time.
type HeldError struct {
	Path   string
	Holder string // "another process", with its program and number where they are known
}

// Error says what to do about it.
func (e *HeldError) Error() string {
	return fmt.Sprintf("open warehouse %s: %s has it open, most likely a leadsync worker, and a DuckDB file belongs to "+
		"one process at a time: stop that process, or ask the worker itself (its dashboard reads the same tables)", e.Path, e.Holder)
}
