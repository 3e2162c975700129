package sqlcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// blocks finds the SQL in a page.
var blocks = regexp.MustCompile("(?ms)^```sql\n(.*?)^```")

// TestDocs resolves the SQL that the documentation shows, which names views
// as a default dataset lets one. It catches an example that BigQuery would
// refuse.
func TestDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	a := newAnalyzer(t)
	a.addViews(t)
	found := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks.FindAllSubmatch(text, -1) {
			found++
			if _, err := a.analyze(string(block[1])); err != nil {
				t.Errorf("%s: %v\n%s", filepath.Base(page), err, block[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page shows any SQL")
	}
}
