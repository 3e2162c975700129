package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func says(check string, v verdict) func(context.Context) []finding {
	return func(context.Context) []finding { return []finding{{check, v, "it is so", ""}} }
}

// What a check needs must be in order before it runs. Catches a check that
// runs into the failure of another and makes two failures of one, and one that
// is skipped because of a mere warning.
func TestWardSkips(t *testing.T) {
	w := newWard()
	w.add("a", says("a", failed))
	w.add("b", says("b", warned))
	w.add("c", says("c", fine), "b", "a")
	w.add("d", says("d", fine), "c")
	w.add("e", says("e", fine), "b")
	w.start(t.Context(), time.Minute)
	var got []string
	for f := range w.findings() {
		got = append(got, f.Check+" "+string(f.Verdict)+" "+f.Found)
	}
	want := []string{"a FAIL it is so", "b warning it is so", "c skipped because a failed", "d skipped because c was skipped", "e ok it is so"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Checks run side by side, each with its deadline, also one that does not know
// of deadlines. Catches a doctor that hangs with what it looks at, and one
// that takes the sum of all waits.
func TestWardDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard()
		release := make(chan struct{})
		defer close(release)
		w.add("obeys", func(ctx context.Context) []finding {
			<-ctx.Done()
			return []finding{{"obeys", failed, "the server is silent", ""}}
		})
		w.add("deaf", func(context.Context) []finding { <-release; return nil })
		w.add("slow", func(context.Context) []finding { time.Sleep(9 * time.Second); return says("slow", fine)(nil) })
		w.add("after", says("after", fine), "deaf")
		begun := time.Now()
		w.start(t.Context(), 10*time.Second)
		var got []string
		for f := range w.findings() {
			got = append(got, f.Check+" "+string(f.Verdict)+" "+f.Found)
		}
		want := []string{"obeys FAIL the server is silent", "deaf FAIL no answer within 10s", "slow ok it is so", "after skipped because deaf failed"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
		if took := time.Since(begun); took != 11*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// What mends several in a row is said once for people and always for
// programs; a line stays a line whatever is in it.
func TestFindingPrinter(t *testing.T) {
	findings := []finding{
		{"schema", failed, "table a: create", "apply"},
		{"schema", failed, "table b: create", "apply"},
		isFine("queries", "taken"),
		{"writing", failed, "two\nlines", "grant <x>"},
	}
	for _, tt := range []struct {
		json bool
		want string
	}{
		{false, "FAIL     schema                 table a: create\n" +
			"FAIL     schema                 table b: create\n         mend: apply\n" +
			"ok       queries                taken\n" +
			"FAIL     writing                two\\nlines\n         mend: grant <x>\n"},
		{true, `{"check":"schema","verdict":"FAIL","found":"table a: create","mend":"apply"}
{"check":"schema","verdict":"FAIL","found":"table b: create","mend":"apply"}
{"check":"queries","verdict":"ok","found":"taken"}
{"check":"writing","verdict":"FAIL","found":"two\nlines","mend":"grant <x>"}
`},
	} {
		var out bytes.Buffer
		p := findingPrinter{w: &out, json: tt.json}
		for f := range slices.Values(findings) {
			if err := p.add(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("json %v (-want +got):\n%s", tt.json, diff)
		}
	}
}

// The exit status is the number of failures, so that a deployment can ask.
func TestDoctorExitStatus(t *testing.T) {
	for _, tt := range []struct {
		environ []string
		want    int
	}{
		{nil, 1}, // no subscription
		{[]string{"PORT=x"}, 1},
		{[]string{"PORT=x", "SINK=y", "LOG_LEVEL=z", "BATCH_MAX_ROWS=0"}, 4},
	} {
		var out, stderr bytes.Buffer
		p := &process{stdout: &out, stderr: &stderr, environ: append(tt.environ, "DUCKDB_PATH="+t.TempDir()+"/w.duckdb")}
		if got := realMain(t.Context(), []string{"doctor"}, p); got != tt.want {
			t.Errorf("%v: exit status %d, want %d\n%s%s", tt.environ, got, tt.want, &out, &stderr)
		}
		if lines := strings.Count(out.String(), "FAIL "); lines != tt.want {
			t.Errorf("%v: %d lines of failures, want %d", tt.environ, lines, tt.want)
		}
	}
}

// Many failures must not look like none, nor like a signal.
func TestFailures(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 100: 100, 101: 100, 256: 100} {
		if got := (&process{}).fail(failures(n)); got != want {
			t.Errorf("%d failures: exit status %d, want %d", n, got, want)
		}
	}
}
