// Command leadsync turns JINGdigital lead events into warehouse rows. Its
// commands are described by leadsync --help, one file a command here; this
// package wires the others together and nothing else.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a static image has no zone database

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func main() {
	signal.Ignore(ignored...)
	// The collector must know the container's limit; nine tenths of it leave room
	// for what it does not count. Without a container nothing is set.
	_, _ = memlimit.Set()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(realMain(ctx, os.Args[1:], &process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
	}))
}
