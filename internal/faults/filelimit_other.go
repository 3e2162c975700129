//go:build !linux

package faults

import "errors"

// limitFiles cannot be done from outside a process here.
func limitFiles(int, uint64) error {
	return errors.New("no other process's files can be limited here")
}

func canLimitFiles() bool { return false }
