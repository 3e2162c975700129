package importtest

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// list reads the imports of every package of the module. It does so itself,
// and not by the go command, so that a cached result of this test counts
// only as long as no file of the tree has changed.
func list(t *testing.T) []Package {
	t.Helper()
	c := build.Default
	c.CgoEnabled = true // the embedded warehouse is left out without, and its imports with it
	root := filepath.Join("..", "..")
	var packages []Package
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (name == "testdata" || strings.ContainsAny(name[:1], "._")) {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); path != root && err == nil {
			return fs.SkipDir // another module, with imports of its own
		}
		p, err := c.ImportDir(path, 0)
		if errors.As(err, new(*build.NoGoError)) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		packages = append(packages, Package{module + "/" + filepath.ToSlash(name), p.Imports, p.TestImports, p.XTestImports})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < len(rules) {
		t.Fatalf("found only %d packages", len(packages))
	}
	return packages
}

// TestImports holds the tree to the rules.
func TestImports(t *testing.T) {
	for _, broken := range check(list(t)) {
		t.Error(broken)
	}
}

// TestGoroutinesVerified catches a package whose tests would let goroutines
// leak: each must look for them in its TestMain, with goleak.
func TestGoroutinesVerified(t *testing.T) {
	looks := regexp.MustCompile(`goleak\.(VerifyTestMain\(m|Find\()`)
	for _, p := range list(t) {
		name := below(p.ImportPath)
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(name), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 && !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && looks.Match(text)
		}) {
			t.Errorf("no test of %s looks for goroutines that are left: goleak.VerifyTestMain", name)
		}
	}
}

// TestCheck adds one import to the tree at a time: it catches rules that would
// let it pass.
func TestCheck(t *testing.T) {
	tree := list(t)
	before := check(tree)
	for _, test := range []struct {
		importer, imported string
		want               string // part of the report, "" if it is allowed
	}{
		{"transform", "net/http", ""},
		{"transform", "leadsync/sinks", "it is pure"},
		{"transform", "github.com/google/uuid", "no library of the table"},
		{"sinks/duckdb", "leadsync/sinks/bigquery", "no other sink"},
		{"sinks/bigquery", "leadsync/sync/pipeline", "a sink knows rows"},
		{"sinks/duckdb", "google.golang.org/protobuf/encoding/protowire", "protowire belongs to transform"},
		{"sync/pipeline", "cloud.google.com/go/pubsub/v2", "Pub/Sub belongs to sync/pull"},
		{"sync/pipeline", "leadsync/sync/pull", "any source"},
		{"sync/pull", "leadsync/config", "a source hands over"},
		{"sync/pull", "leadsync/sync/pipeline", ""},
		{"config", "leadsync/transform", "settings are handed over"},
		{"sinks", "leadsync/cmd/leadsync", "the contract"},
		{"cmd/leadsync", "github.com/google/uuid", ""},
		{"cmd/leadsync", "leadsync/bench", "puts everything together"},
		{"lost", "fmt", "has no rule"},
	} {
		added := append(slices.Clone(tree), Package{ImportPath: module + "/" + test.importer, Imports: []string{test.imported}})
		after := slices.DeleteFunc(check(added), func(s string) bool { return slices.Contains(before, s) })
		text := strings.Join(after, "\n")
		if (text == "") != (test.want == "") || !strings.Contains(text, test.want) {
			t.Errorf("%s importing %s: got %q, want %q", test.importer, test.imported, text, test.want)
		}
	}
	added := append(slices.Clone(tree), Package{ImportPath: module + "/sinks", XTestImports: []string{"github.com/stretchr/testify/require"}})
	if got := check(added); len(got) != len(before)+1 {
		t.Errorf("a test with a new library: got %q", got)
	}
	if got := check(nil); len(got) < len(libraries) {
		t.Errorf("libraries that nobody imports: got %q", got)
	}
}
