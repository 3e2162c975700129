package importtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// module is the path of the module, the first part of every package of ours.
const module = "leadsync"

// A rule says which packages of ours a package may import.
type rule struct {
	importer string   // pattern of [path.Match], below the module
	ours     []string // patterns; nil: none
	why      string
}

// rules has a line for every package; the first that matches counts.
var rules = []rule{
	{"transform", nil, "it is pure: bytes in, rows out"},
	{"transform/fieldpolicy", []string{"transform"}, "it reads a policy from its file"},
	{"config", nil, "settings are handed over as values, so nobody depends on where they come from"},
	{"sinks", []string{"transform"}, "the contract speaks of rows"},
	{"sinks/bigquery/bqtest", nil, "a stand-in that shares code with what it tests would share its mistakes"},
	{"sinks/*", []string{"sinks", "transform"}, "a sink knows rows, and no other sink"},
	{"sync/pipeline", []string{"transform", "sinks"}, "it decides outcomes for any source and any sink"},
	{"sync/simulate", nil, "a tenant that shares code with the transform would share its mistakes"},
	{"sync/pull/pulltest", nil, "a stand-in that shares code with what it tests would share its mistakes"},
	{"sync/files", nil, "it lists and opens bytes, whatever is in them"},
	{"sync/backfill", []string{"sinks", "sync/pipeline", "sync/files", "sync/records", "sync/exports", "transform"}, "it is the source whose progress is kept in the warehouse"},
	{"sync/*", []string{"sync/pipeline", "transform"}, "a source hands over messages and learns outcomes"},
	{"internal/faults", []string{"transform", "sinks/duckdb", "sinks/bigquery/bqtest", "sync/simulate", "sync/pull/pulltest"},
		"it runs the program as a process of its own, and reads what it has written"},
	{"internal/importtest", nil, "it reads the others' imports, not their code"},
	{"bench/program", nil, "it runs the program as anybody would"},
	{"bench/backfill", []string{"bench/program", "sync/backfill", "sync/files", "sync/pipeline", "sync/simulate", "transform"}, "it measures the source without a warehouse, in a process of its own"},
	{"bench", []string{"bench/program", "sinks/bigquery/bqtest", "sync/pull/pulltest", "transform"}, "it runs the program as a process of its own"},
	{"cmd/*", []string{"transform", "transform/*", "config", "sinks", "sinks/*", "sinks/*/*", "sync/*", "internal/faults"}, "it puts everything together"},
}

// A library is third-party code with the packages it may be imported by.
type library struct {
	name     string
	prefixes []string // of import paths
	homes    []string // packages below the module
	why      string
}

// libraries has a line for everything that is imported below cmd, tests left
// out. The first line with a matching prefix counts.
var libraries = []library{
	{"jsontext", []string{"github.com/go-json-experiment/json/jsontext"}, []string{"transform", "sync/exports"},
		"strict JSON, token by token"},
	{"protowire", []string{"google.golang.org/protobuf/encoding/protowire"}, []string{"transform", "sinks/sinktest"},
		"the rows' wire format; sinktest writes rows that transform never makes"},
	{"protobuf", []string{"google.golang.org/protobuf"}, []string{"sinks/bigquery", "sinks/bigquery/bqtest", "sync/pull/pulltest"},
		"the messages of the vendor's clients, and of the servers that stand in for their services"},
	{"client options", []string{"google.golang.org/api/option"}, []string{"sinks/bigquery", "sinks/bigquery/bqtest", "sync/pull"},
		"how the vendor's clients are connected; sync/pull listens in on its own"},
	{"Google's errors", []string{"google.golang.org/api/googleapi"}, []string{"sinks/bigquery", "sinks/bigquery/bqtest", "sync/files"},
		"what the vendor's clients of HTTP fail with"},
	{"BigQuery", []string{"cloud.google.com/go/bigquery", "cloud.google.com/go/civil", "google.golang.org/api", "github.com/googleapis/gax-go/v2"},
		[]string{"sinks/bigquery", "sinks/bigquery/bqtest", "internal/faults"},
		"the vendor's clients, with the errors and options they speak in, and their counterpart"},
	{"Pub/Sub", []string{"cloud.google.com/go/pubsub/v2"}, []string{"sync/pull", "sync/pull/pulltest", "sinks/topic"},
		"the vendor's client"},
	{"gRPC", []string{"google.golang.org/grpc"}, []string{"sinks/bigquery", "sinks/bigquery/bqtest", "sync/pull", "sync/pull/pulltest", "sinks/topic", "internal/faults"},
		"the vendor's clients of both speak in its status codes"},
	{"DuckDB", []string{"github.com/duckdb/duckdb-go/v2"}, []string{"sinks/duckdb"},
		"the embedded warehouse"},
	{"envconfig", []string{"github.com/sethvargo/go-envconfig"}, []string{"config"},
		"settings from the environment"},
	{"Go CDK", []string{"gocloud.dev", "cloud.google.com/go/storage", "cloud.google.com/go/auth"}, []string{"sync/files"},
		"buckets and what stands for them, with the vendor's client below, its errors and its credentials"},
	{"doublestar", []string{"github.com/bmatcuk/doublestar/v4"}, []string{"sync/files"},
		"patterns of paths"},
	{"compress", []string{"github.com/klauspost/compress"}, []string{"sync/files", "sync/exports"},
		"gzip and zstd; the blocks of an Avro file are compressed one by one"},
	{"Avro", []string{"github.com/hamba/avro/v2"}, []string{"sync/exports"},
		"files of a Cloud Storage subscription"},
	{"XXH3", []string{"github.com/zeebo/xxh3"}, []string{"sync/backfill"},
		"fingerprints of what was read"},
	{"rate", []string{"golang.org/x/time/rate"}, []string{"sync/backfill"},
		"events a second"},
	{"YAML", []string{"go.yaml.in/yaml/v4"}, []string{"transform/fieldpolicy"},
		"a file that people write, with the lines of its mistakes"},
	{"go-cmp", []string{"github.com/google/go-cmp"}, []string{"sinks/sinktest"},
		"sinktest is test code that other packages' tests import"},
}

// anything are the packages where any library may be wired in.
var anything = []string{"cmd/*", "bench", "bench/*"}

// testLibraries are what tests may import besides the libraries above, from
// any package: a test of a sink may well ask its warehouse directly. Packages
// of ours may be imported by any test.
var testLibraries = []string{
	"github.com/fsouza/fake-gcs-server",
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
	"go.uber.org/goleak",
	"golang.org/x/tools/txtar",
	"pgregory.net/rapid",
}

// A Package is a package of ours with what it and its tests import.
type Package struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// check returns every break of the rules, and every rule that is of no use any more.
func check(packages []Package) []string {
	var broken []string
	used := map[string]bool{}
	report := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	for _, p := range packages {
		name := below(p.ImportPath)
		r := ruleOf(name)
		if r == nil {
			report("%s: has no rule; add it to the table", name)
			continue
		}
		for _, i := range p.Imports {
			switch lib := libraryOf(i); {
			case standard(i):
			case ours(i):
				if !matches(r.ours, below(i)) {
					report("%s imports %s: %s", name, below(i), r.why)
				}
			case matches(anything, name):
			case lib == nil:
				report("%s imports %s: no library of the table", name, i)
			case !slices.Contains(lib.homes, name):
				report("%s imports %s: %s belongs to %s", name, i, lib.name, strings.Join(lib.homes, ", "))
			default:
				used[lib.name+" in "+name] = true
			}
		}
		for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
			if !standard(i) && !ours(i) && libraryOf(i) == nil && !under(testLibraries, i) && !matches(anything, name) {
				report("tests of %s import %s: no library of the table", name, i)
			}
		}
	}
	for _, lib := range libraries {
		for _, home := range lib.homes {
			if !used[lib.name+" in "+home] {
				report("%s does not import %s: take it out of the table", home, lib.name)
			}
		}
	}
	return broken
}

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && !ours(importPath)
}

func ours(importPath string) bool { return under([]string{module}, importPath) }

func below(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }

func ruleOf(name string) *rule {
	for i := range rules {
		if matches([]string{rules[i].importer}, name) {
			return &rules[i]
		}
	}
	return nil
}

func libraryOf(importPath string) *library {
	for i := range libraries {
		if under(libraries[i].prefixes, importPath) {
			return &libraries[i]
		}
	}
	return nil
}

// matches reports whether one of the patterns matches the whole name.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// under reports whether the path is one of the roots or below one.
func under(roots []string, importPath string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return importPath == root || strings.HasPrefix(importPath, root+"/")
	})
}
