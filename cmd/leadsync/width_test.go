package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Catches columns that Chinese characters, emoji or combining marks push apart.
func TestPrintColumns(t *testing.T) {
	var b strings.Builder
	rows := [][]string{{"stage", "n"}, {"初始线索", "1,204"}, {"won（成交）", "7"}, {"e\u0301👍", "–"}}
	if err := printColumns(&b, rows, 1); err != nil {
		t.Fatal(err)
	}
	want := "  stage            n\n  初始线索     1,204\n  won（成交）      7\n  e\u0301👍              –\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
