package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadsync/sinks/duckdb"
)

// answered matches a statement of the page with its result.
var answered = regexp.MustCompile("(?s)```sql\n(.*?)```\n\n```text\n(.*?)```\n")

// Catches a statement of docs/analytics.md that does not run, and a view that
// answers otherwise than the page says. -update writes the results anew.
func TestAnalytics(t *testing.T) {
	if !duckdb.Available {
		t.Skip("no embedded warehouse in this build")
	}
	const page = "../../docs/analytics.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	path := demoCache(t)
	run := func(args ...string) string {
		t.Helper()
		var out, report strings.Builder
		if status := realMain(t.Context(), args, &process{stdout: &out, stderr: &report}); status != 0 {
			t.Fatalf("leadsync %s: exit status %d\n%s", strings.Join(args, " "), status, &report)
		}
		return out.String()
	}
	run("demo", "--day", "2026-11-01")

	questions := 0
	got := answered.ReplaceAllStringFunc(string(text), func(block string) string {
		questions++
		sql := answered.FindStringSubmatch(block)[1]
		result := run("query", "--duckdb-path", path, sql)
		return fmt.Sprintf("```sql\n%s```\n\n```text\n%s```\n", sql, result)
	})
	if questions != 10 {
		t.Errorf("%d questions", questions)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("%s (-page +warehouse):\n%s\ngo test ./cmd/leadsync -run TestAnalytics -update", page, diff)
	}
}
