package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"leadsync/config"
)

const sampleEvent = `{"mid":"1","event_type":"object_voids","create_time":1677492512,"extra_data":{"entity_id":"a"}}`

// A setting that no help text names cannot be found.
func TestEverySettingIsInSomeHelp(t *testing.T) {
	cfg, err := config.Load(config.Input{})
	if err != nil {
		t.Fatal(err)
	}
	parser, err := kong.New(&commandLine{})
	if err != nil {
		t.Fatal(err)
	}
	var help strings.Builder
	for _, n := range parser.Model.Leaves(true) {
		help.WriteString(n.Detail)
	}
	for _, f := range parser.Model.AllFlags(true) {
		for _, flag := range f {
			help.WriteString(flag.Help)
		}
	}
	for _, s := range cfg.Settings() {
		if strings.HasPrefix(s.Name, "BIGQUERY_") && strings.Contains(help.String(), "BIGQUERY_*") {
			continue
		}
		if !strings.Contains(help.String(), s.Name) {
			t.Errorf("%s is in no help text", s.Name)
		}
	}
}

// Every flag that overrides a setting must reach it.
func TestSettingFlags(t *testing.T) {
	var out bytes.Buffer
	p := &process{stdout: &out, stderr: io.Discard}
	status := realMain(t.Context(), strings.Fields("config --sink bigquery --project acme --subscription leads --dataset d "+
		"--location EU --duckdb-path x.duckdb --timezone UTC --field-policy p.yaml --port 0 --log-level debug --log-format json"), p)
	if status != 0 {
		t.Fatalf("exit status %d", status)
	}
	if got := strings.Count(out.String(), "  flag\n"); got != len((&settingFlags{}).byVariable()) {
		t.Errorf("%d settings come from a flag:\n%s", got, &out)
	}
}

// stepReader hands out one step at a time and looks at the output before each.
type stepReader struct {
	steps  []string
	before func(step int)
	step   int
}

func (s *stepReader) Read(b []byte) (int, error) {
	s.before(s.step)
	if s.step == len(s.steps) {
		return 0, io.EOF
	}
	n := copy(b, s.steps[s.step])
	s.step++
	return n, nil
}

// Who types events, or pipes in one now and then, must see their rows before
// the next is asked for.
func TestTransformShowsRowsBeforeReadingOn(t *testing.T) {
	var out bytes.Buffer
	in := &stepReader{steps: []string{sampleEvent + "\n", sampleEvent + "\n"}, before: func(step int) {
		if lines := strings.Count(out.String(), "\n"); lines != step {
			t.Errorf("after %d events %d rows are out", step, lines)
		}
	}}
	if status := realMain(t.Context(), []string{"transform", "-q"}, &process{stdin: in, stdout: &out, stderr: os.Stderr}); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// A reader that has seen enough (head) is no failure and gets no message;
// another failure to write is one, and is said.
func TestTransformOutputFails(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		stderr string
	}{
		{fmt.Errorf("write: %w", syscall.EPIPE), 0, ""},
		{errors.New("disk full"), 1, "leadsync: print rows: disk full\n"},
	} {
		var stderr bytes.Buffer
		p := &process{stdin: strings.NewReader(sampleEvent), stdout: failingWriter{tt.err}, stderr: &stderr}
		status := realMain(t.Context(), []string{"transform", "-q"}, p)
		if status != tt.status || stderr.String() != tt.stderr {
			t.Errorf("%v: exit status %d, %q, want %d, %q", tt.err, status, &stderr, tt.status, tt.stderr)
		}
	}
}

// Ctrl-C ends a long run at the next event.
func TestTransformInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in := &stepReader{steps: []string{sampleEvent + "\n", sampleEvent + "\n"}, before: func(step int) {
		if step == 1 {
			cancel()
		}
	}}
	var stdout, stderr bytes.Buffer
	status := realMain(ctx, []string{"transform"}, &process{stdin: in, stdout: &stdout, stderr: &stderr})
	if status != 1 || strings.Count(stdout.String(), "\n") != 1 || !strings.Contains(stderr.String(), "stopped after record 1") {
		t.Errorf("exit status %d, output %q, errors %q", status, &stdout, &stderr)
	}
}

// What a program is built from is found whether the linker was told or not.
func TestReadBuild(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}}
	info.Main.Version = "v1.2.3"
	fromProxy := &debug.BuildInfo{}
	fromProxy.Main.Version = "(devel)"
	for _, tt := range []struct {
		linked string
		info   *debug.BuildInfo
		want   build
	}{
		{"v2", info, build{"v2", "abc+changes"}},
		{"", info, build{"v1.2.3", "abc+changes"}},
		{"", fromProxy, build{"devel", ""}},
	} {
		if got := readBuild(tt.linked, tt.info); got != tt.want {
			t.Errorf("linked %q: %v, want %v", tt.linked, got, tt.want)
		}
	}
}

// A result's value must not move a terminal's cursor, and a character of two
// cells must not push a column aside.
func TestTablePrinter(t *testing.T) {
	var out bytes.Buffer
	printer := &tablePrinter{w: &out}
	rows := [][]any{{"\x1b[2J\n线", int64(7), nil, []byte("\xff")}, {"e\u0301", 1.5, nil, []byte("x")}, {"", int64(100), true, nil}}
	if err := printer.columns([]string{"名", "n", "b", "raw"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := printer.row(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := printer.end(); err != nil {
		t.Fatal(err)
	}
	want := "名             n  b     raw\n" +
		"-----------  ---  ----  ----\n" +
		`\x1b[2J\n线    7  NULL  ` + "\ufffd\n" +
		"e\u0301            1.5  NULL  x\n" +
		"             100  true  NULL\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// A table of any size is printed whole, block after block.
func TestTablePrinterBlocks(t *testing.T) {
	var out bytes.Buffer
	printer := &tablePrinter{w: &out}
	if err := printer.columns([]string{"n"}); err != nil {
		t.Fatal(err)
	}
	const rows = 2*tableBlock + 1
	for i := range rows {
		if err := printer.row([]any{int64(i)}); err != nil {
			t.Fatal(err)
		}
		if len(printer.rows) >= tableBlock+2 {
			t.Fatal("rows pile up")
		}
	}
	if err := printer.end(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != rows+2 || strings.TrimSpace(lines[0]) != "n" || lines[len(lines)-1] != fmt.Sprint(rows-1) {
		t.Errorf("%d lines from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
}
