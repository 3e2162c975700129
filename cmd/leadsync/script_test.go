package main

import (
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(verified{m}, map[string]func(){"leadsync": main})
}

// Each script runs the program as a person would, in a directory and an
// environment of its own. They catch what no unit test sees: wiring, exit
// statuses, what goes to which stream.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			server, err := bqtest.Start()
			if err != nil {
				return err
			}
			env.Defer(server.Close)
			env.Vars = append(env.Vars, "REST="+server.RESTURL(), "STORAGE="+server.StorageAddr())
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "embedded" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return duckdb.Available, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": runForStatus, "deliver": deliverForScript, "tamper": tamperForScript},
	})
}

// runForStatus is the script command "status N PROGRAM ARGS…": the program
// must end with exit status N.
func runForStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
