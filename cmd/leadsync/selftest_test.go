package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadsync/internal/faults"
	"leadsync/sinks/duckdb"
)

// selftest runs the program's self-test and returns its results by warehouse
// and fault.
func selftest(t *testing.T, environ []string, args ...string) map[string]faults.Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "leadsync", append([]string{"selftest", "--faults", "--format", "json"}, args...)...)
	cmd.Env = append(os.Environ(), environ...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("leadsync selftest %v: %v\n%s", args, err, &stderr)
	}
	var list []faults.Result
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	results := map[string]faults.Result{}
	for _, r := range list {
		results[r.Sink+" "+r.Name] = r
	}
	return results
}

// Every line of the fault table that is not long must be played and come out as
// the table says. Catches what any of them would lose, double, give back or not
// recover from, a line that is left out, and figures that do not make up what
// went in.
//
// What has nothing to do with the warehouse is played against one of them, and
// with LEADSYNC_TEST_LONG=1 against both, long ones too.
func TestSelftestPlaysTheFaultTable(t *testing.T) {
	for _, sink := range embeddedOrNot() {
		t.Run(sink, func(t *testing.T) {
			t.Parallel()
			names := played(sink)
			results := selftest(t, nil, "--sink", sink, "--at-once", "8", "--only", strings.Join(names, ","))
			for _, name := range names {
				r, ok := results[sink+" "+name]
				if !ok || r.Events == 0 || r.Unique+r.Dead != r.Events || r.Lost+r.Doubled != 0 || len(r.Failures) > 0 {
					t.Errorf("%s: %+v", name, r)
				}
			}
		})
	}
}

// played returns the names of the faults that this run of the tests plays
// against a warehouse. Under the race detector, with which a worker takes ten
// times the CPU, it is one of those about which the same is done.
func played(sink string) (names []string) {
	long := os.Getenv("LEADSYNC_TEST_LONG") != ""
	done := map[string]bool{}
	for _, f := range faults.For(sink, faults.Table()) {
		ofSink := sink == "bigquery" || f.Sink == sink || f.Class == faults.Process || f.Class == faults.Delivery
		if !long && (f.Long || !ofSink || raceDetector && done[f.Does]) {
			continue
		}
		done[f.Does] = true
		names = append(names, f.Name)
	}
	return names
}

func embeddedOrNot() []string {
	if duckdb.Available {
		return []string{"bigquery", "duckdb"}
	}
	return []string{"bigquery"}
}

// The self-test is about the user's own settings, odd ones too. Catches a rig
// that sets what is not its own, and an audit that knows only the defaults'
// rows.
func TestSelftestUnderOddSettings(t *testing.T) {
	t.Parallel()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("keys:\n  - {id: k1, env: FIELD_POLICY_KEY_K1}\nfields:\n  name: hash\n  mobile: drop\n  owner: hash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"BATCH_MAX_ROWS=7", "BATCH_MAX_BYTES=8KiB", "MAX_OUTSTANDING_MESSAGES=50", "PROMOTED_FIELDS=score_model,envelope.trace_id",
		"SOURCE_TIMEZONE=America/New_York", "BIGQUERY_DATASET=other_place", "FIELD_POLICY_FILE=" + policy, "FIELD_POLICY_KEY_K1=secret-of-the-test",
		"PORT=1", "LOG_LEVEL=error", "LOG_FORMAT=text", "BIGQUERY_ENDPOINT=http://192.0.2.1:1", "BIGQUERY_STORAGE_ENDPOINT=192.0.2.1:1",
		"BIGQUERY_INSECURE=true", "PUBSUB_EMULATOR_HOST=192.0.2.1:1", "DUCKDB_PATH=/nowhere/at.all", "K_SERVICE=", "SINK=bigquery",
	}
	const some = "append-unavailable,row-errors-missing,duplicates-published,poison-json-invalid"
	if results := selftest(t, environ, "--only", some); len(results) != 4 {
		t.Errorf("played %v", results)
	}
	if duckdb.Available {
		if results := selftest(t, environ, "--only", "pull-reset", "--sink", "duckdb"); len(results) != 1 {
			t.Errorf("played %v", results)
		}
	}
}

// playFor plays one case as the command does, and returns its exit status and
// what it says.
func playFor(t *testing.T, c faults.Case) (status int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &process{stdout: &stdout, stderr: &stderr, environ: os.Environ()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status = p.fail((&selftestCommand{Format: "table"}).play(ctx, p, []faults.Case{c}))
	return status, stdout.String() + stderr.String()
}

// settingsOf are the settings that a case is played against, with a program of
// the test's own in place of leadsync; "" for leadsync itself.
func settingsOf(t *testing.T, sink, script string) faults.Settings {
	t.Helper()
	path, err := exec.LookPath("leadsync")
	if err != nil {
		t.Fatal(err)
	}
	if script != "" {
		file := filepath.Join(t.TempDir(), "worker")
		text := "#!/bin/sh\n" + strings.ReplaceAll(script, "LEADSYNC", "'"+path+"'") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		path = file
	}
	return faults.Settings{Binary: path, Environ: os.Environ(), Sink: sink, Shutdown: 9 * time.Second}
}

// A worker that acknowledges and writes elsewhere must be found out, with exit
// status 1. Catches a self-test that cannot fail.
func TestSelftestFindsWhatIsLost(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	s := settingsOf(t, "duckdb", `[ "$1" = run ] && LEADSYNC schema apply && export DUCKDB_PATH="$DUCKDB_PATH.elsewhere"
exec LEADSYNC "$@"`)
	status, out := playFor(t, faults.Case{Settings: s, Fault: faults.Fault{Name: "loser", Play: func(r *faults.Rig) error {
		if err := r.Start(); err != nil {
			return err
		}
		r.Publish(30)
		return r.Settle()
	}}})
	if status != exitFailure || !strings.Contains(out, "loser: 30 lost") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
}

// Copies of an event that say different things must be found out: here the
// second worker reads naive times in another zone. Catches an audit that
// counts events and does not look at them.
func TestSelftestFindsWhatIsDoubled(t *testing.T) {
	t.Parallel()
	status, out := playFor(t, faults.Case{Settings: settingsOf(t, "bigquery", ""), Fault: faults.Fault{Name: "liar", Play: func(r *faults.Rig) error {
		events := r.Events(30)
		for _, zone := range []string{"Asia/Shanghai", "UTC"} {
			if err := r.Start("SOURCE_TIMEZONE=" + zone); err != nil {
				return err
			}
			r.Send(events...)
			if err := r.Settle(); err != nil {
				return err
			}
			if err := r.Stop(); err != nil {
				return err
			}
		}
		return nil
	}}})
	if status != exitFailure || !strings.Contains(out, "liar: ") || !strings.Contains(out, " doubled") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
}

// A worker that is not there, does not start, gives nothing back or ends by
// itself is a failure that says so, within the time for the fault.
func TestSelftestFindsWorkersThatDoNotWork(t *testing.T) {
	t.Parallel()
	work := func(r *faults.Rig) error {
		if err := r.Start(); err != nil {
			return err
		}
		r.Publish(30)
		return r.Settle()
	}
	limit := 10 * time.Second // in which the tables are made too, by a process of its own
	if raceDetector {
		limit *= 3
	}
	for _, c := range []struct{ name, script, want string }{
		{"refuses", `echo '{"message":"no luck"}' >&2; exit 3`, "no luck"},
		{"sleeps", `[ "$1" = schema ] && exec LEADSYNC "$@"; exec sleep 600`, "has not started"},
		{"idles", `[ "$1" = schema ] && exec LEADSYNC "$@"; echo '{"message":"worker started","listen":"[::]:1"}' >&2; exec sleep 600`, "30 of 30 messages are not acknowledged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := settingsOf(t, "bigquery", c.script)
			s.Shutdown = time.Second
			status, out := playFor(t, faults.Case{Settings: s, Fault: faults.Fault{Name: c.name, Limit: limit, Play: work}})
			if status != exitFailure || !strings.Contains(out, c.name+": ") || !strings.Contains(out, c.want) {
				t.Errorf("exit status %d:\n%s", status, out)
			}
		})
	}
}

// Broken off, the self-test must end soon, say so, and leave neither processes
// nor folders behind.
func TestSelftestInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "leadsync", "selftest", "--faults", "--sink", "bigquery", "--only", "storage-api-down-60s")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "folders of the self-test and of a fault", func() bool { return len(entries(t, dir)) == 2 })
	time.Sleep(time.Second) // its worker is at work
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("%v\n%s", err, &out)
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// What the command line asks for must be what is played and printed.
func TestSelftestCommandLine(t *testing.T) {
	t.Parallel()
	run := func(args ...string) (status int, out string) {
		var stdout, stderr bytes.Buffer
		p := &process{stdout: &stdout, stderr: &stderr, environ: []string{"SINK=bigquery"}}
		status = realMain(t.Context(), append([]string{"selftest"}, args...), p)
		return status, fmt.Sprint(stdout.String(), stderr.String())
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, exitUsage, "--faults"},
		{[]string{"--faults", "--only", "nothing"}, exitFailure, "no fault of such a name"},
		{[]string{"--faults", "--only", "["}, exitFailure, "no pattern"},
		{[]string{"--faults", "--at-once", "100"}, exitUsage, "want 0 to 64"},
		{[]string{"--faults", "--format", "xml"}, exitUsage, "must be one of"},
	} {
		if status, out := run(c.args...); status != c.status || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit status %d\n%s", c.args, status, out)
		}
	}
	list := []faults.Result{{Name: "a-fault", Sink: "bigquery", Events: 5, Unique: 4, Dead: 1, Recovery: 90 * time.Second}}
	for format, want := range map[string]string{
		"table": "a-fault          5                4        0     1     0          90 s  ok", "json": `"unique_out": 4`, "markdown": "| `a-fault` | bigquery | 5 | 4 |",
	} {
		var out bytes.Buffer
		if err := (&selftestCommand{Format: format}).print(&out, list); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v\n%s", format, err, &out)
		}
	}
}
