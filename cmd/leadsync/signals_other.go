//go:build !unix

package main

import (
	"os"
	"syscall"
)

// ignored are the signals that would end the program: a reader that has seen
// enough ends a command quietly, see exitStatus.
var ignored = []os.Signal{syscall.SIGPIPE}
