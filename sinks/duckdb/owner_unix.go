//go:build cgo && !noduckdb && unix

package duckdb

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike gives a file the owner of another. Without it a worker could not
// open a file that an administrator has written anew for it.
func chownLike(path string, other fs.FileInfo) error {
	owner, ok := other.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}
