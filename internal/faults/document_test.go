package faults

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const command = "go run ./cmd/leadsync selftest --faults --every-sink --format markdown > docs/reliability.md"

// docs/reliability.md must be what the table says now, and have a measured
// line for every fault and warehouse; what was measured is not looked at.
// Catches a table that was changed and a page that was not.
func TestDocumentIsOfThisTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	var now strings.Builder
	if err := Document(&now, Table(), nil, ""); err != nil {
		t.Fatal(err)
	}
	text := func(page string) string {
		before, _, ok := strings.Cut(page, "\n## Measured\n")
		if !ok {
			t.Fatal("the page has no part that is called Measured")
		}
		return before
	}
	if diff := cmp.Diff(strings.Split(text(string(page)), "\n"), strings.Split(text(now.String()), "\n")); diff != "" {
		t.Errorf("docs/reliability.md is of another table (-page +table); run\n  %s\n%s", command, diff)
	}
	_, figures, _ := strings.Cut(string(page), "\n## Measured\n")
	for _, sink := range []string{"bigquery", "duckdb"} {
		for _, f := range For(sink, Table()) {
			if !strings.Contains(figures, "| `"+f.Name+"` | "+sink+" |") {
				t.Errorf("docs/reliability.md has no figures of %s against %s; run\n  %s", f.Name, sink, command)
			}
		}
	}
	if strings.Contains(figures, "**failed**") {
		t.Error("docs/reliability.md tells of a fault that failed")
	}
}

// Every fault and result must be found on the page. Catches a class without a
// heading, whose faults would be left out, and a failure that the page hides.
func TestDocumentHoldsAll(t *testing.T) {
	list := Table()
	results := []Result{
		{Name: "append-eof", Sink: "bigquery", Events: 240, Unique: 239, Lost: 1, Recovery: 1234 * time.Millisecond, Failures: []string{"a | b"}},
		{Name: "pull-eof", Sink: "duckdb", Events: 7, Unique: 7, Recovery: -1},
	}
	var b strings.Builder
	if err := Document(&b, list, results, "On a machine."); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for _, f := range list {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "`"+f.Name+"`") && strings.Contains(l, f.Does) }) {
			t.Errorf("%s is not on the page", f.Name)
		}
	}
	for _, want := range []string{
		"On a machine.",
		"| `append-eof` | bigquery | 240 | 239 | 0 | 0 | 1 | 0 | 0 | 0 | 1.2 s | **failed**: 1 lost; a \\| b |",
		"| `pull-eof` | duckdb | 7 | 7 | 0 | 0 | 0 | 0 | 0 | 0 | - | ok |",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the page lacks the line %q", want)
		}
	}
}
