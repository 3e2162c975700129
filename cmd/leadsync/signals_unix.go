//go:build unix

package main

import (
	"os"
	"syscall"
)

// ignored are the signals that would end the program, where the call that met
// the cause tells of it anyway: a reader that has seen enough ends a command
// quietly, see exitStatus; and a limit on the size of files is to the embedded
// warehouse what a full disk is.
var ignored = []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ}
