//go:build cgo && !noduckdb && !unix

package duckdb

import "io/fs"

// chownLike does nothing: files here have no owner to give them.
func chownLike(string, fs.FileInfo) error { return nil }
