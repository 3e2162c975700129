package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// commandLine is the grammar of the command line. A command is a struct with
// its flags and a method Run(context.Context, *process) error.
type commandLine struct {
	settingFlags

	Demo      demoCommand      `cmd:"" help:"Show everything at work, with nothing set up."`
	Run       runCommand       `cmd:"" help:"Run the worker: pull, transform, write, acknowledge."`
	Backfill  backfillCommand  `cmd:"" help:"Load exported events: files, folders, buckets."`
	Transform transformCommand `cmd:"" help:"Print the rows that events become; write nothing."`
	Query     queryCommand     `cmd:"" help:"Run a read-only statement on the warehouse."`
	Explain   explainCommand   `cmd:"" help:"Tell why a row is there, or why it is not."`
	Dlq       dlqCommand       `cmd:"" help:"Show dead letters, and replay them."`
	Erase     eraseCommand     `cmd:"" help:"Erase a lead for good, and keep it out."`
	Reconcile reconcileCommand `cmd:"" help:"Prove that nothing was lost, or say what was."`
	Doctor    doctorCommand    `cmd:"" help:"Check everything that a worker needs; say how to mend it."`
	Schema    schemaCommand    `cmd:"" help:"Show or change the warehouse's tables and views."`
	Policy    policyCommand    `cmd:"" help:"Look at the field policy in force."`
	Selftest  selftestCommand  `cmd:"" help:"Play everything that can go wrong, offline, against the settings in force."`
	Config    configCommand    `cmd:"" help:"Show the settings in force and where they come from."`
	Version   versionCommand   `cmd:"" help:"Show the version and what is built in."`
}

const description = "leadsync turns JINGdigital lead events from Pub/Sub into rows of BigQuery, or of an embedded warehouse.\n\n" +
	"Settings are environment variables; a flag wins over its variable. leadsync config shows what is in force."

// A process is what the program is given: a command touches the outside world
// through it, so that tests can stand in for it.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	flags          map[string]string // settings given on the command line, by variable
	promoted       bool              // the fields that the settings name have columns
}

// Exit statuses of the program.
const (
	exitFailure      = 1
	exitUsage        = 2
	exitDeadLetters  = 3
	exitDisagreement = 4
)

// exitStatus ends a command with a status and says nothing more.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// realMain runs the command line and returns the exit status.
func realMain(ctx context.Context, args []string, p *process) int {
	var c commandLine
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("leadsync"), kong.Description(description),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(status int) { exited = status }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{{Key: "settings", Title: "Settings:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p))
	if err != nil {
		return p.fail(fmt.Errorf("read the command line's grammar: %w", err))
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	switch {
	case exited >= 0: // help was asked for
		return exited
	case err != nil:
		fmt.Fprintf(p.stderr, "leadsync: %v\nRun leadsync --help, or leadsync COMMAND --help.\n", err)
		return exitUsage
	}
	p.flags = c.byVariable()
	return p.fail(command.Run())
}

// fail reports the error that a command ended with, if any, and returns the
// exit status for it.
func (p *process) fail(err error) int {
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, syscall.EPIPE):
		return 0 // whoever reads our output has seen enough
	case p.logsJSON():
		newLogger(p.stderr, logOptions{json: true}).Error("leadsync ended", "error", err)
	default:
		fmt.Fprintf(p.stderr, "leadsync: %v\n", err)
	}
	return exitFailure
}

// isTerminal reports whether a person is at the other end of the stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
