//go:build linux || darwin

package main

import (
	"fmt"
	"syscall"
)

// mayWrite returns why this process may not read and change a file, or make
// files in a folder. It tries neither.
func mayWrite(path string) error {
	const readAndWrite = 4 | 2 // R_OK, W_OK
	if err := syscall.Access(path, readAndWrite); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// freeBytes returns how much a process may still write to the file system
// that the path is in, -1 if that cannot be told.
func freeBytes(path string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // its type differs between systems
}
