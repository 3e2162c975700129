// Backfill measures how fast exported events become rows: a simulated history
// is exported as NDJSON, compressed and as one JSON array, and each file is
// read by a process of its own, up to the encoded rows and into a DuckDB file.
// Beside it stand what somebody would use instead: DuckDB's reader of NDJSON
// with SQL that fills the same tables, and jq with a program that prints flat
// rows, if it is installed. Both do less: see rows.sql and rows.jq.
//
//	go run ./bench/backfill
//	go run ./bench/backfill -size 2048 -runs 3
//
// Speeds are those of the events' JSON, whatever it is packed in, in millions
// of bytes a second of time that passed, with both cores at work; CPU time and
// peak memory are those of the whole process. The export is in the page cache.
// Every event must become a row, else the command fails.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"leadsync/bench/program"
)

// options are the flags.
type options struct {
	size, some int64 // MiB
	runs       int
	seed       uint64
	dir        string
	only       string
	encode     string // what a process of its own is to do
	sql, into  string
}

func main() {
	var o options
	flag.Int64Var(&o.size, "size", 512, "size of the export in MiB")
	flag.Int64Var(&o.some, "some", 32, "how much of it jq gets, in MiB")
	flag.IntVar(&o.runs, "runs", 1, "runs, of which the median is told")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the events")
	flag.StringVar(&o.dir, "dir", "", "`folder` for the files, which are removed in the end (default: one of its own)")
	flag.StringVar(&o.only, "only", "", "measure only what has this `word` in its name")
	flag.StringVar(&o.encode, "encode", "", "read this `file` up to the encoded rows, and nothing else")
	flag.StringVar(&o.sql, "sql", "", "make rows of this `file` by DuckDB's SQL, and nothing else")
	flag.StringVar(&o.into, "into", "", "the warehouse `file` that -sql fills")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.carryOut(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "backfill bench:", err)
		os.Exit(1)
	}
}

func (o options) carryOut(ctx context.Context) error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case o.size < 1 || o.some < 1 || o.runs < 1:
		return errors.New("-size, -some and -runs must be at least 1")
	case o.encode != "":
		return encode(ctx, o.encode, os.Stdout)
	case o.sql != "":
		return byDuckDB(ctx, o.into, o.sql, os.Stdout)
	default:
		return o.bench(ctx, os.Stdout)
	}
}

func (o options) bench(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "leadsync-backfill-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d events, %d MiB of NDJSON; medians of %d\n\n", b.export.events, b.export.bytes>>20, o.runs)
	const line = "%-45s  %5s  %12s  %8s  %s\n"
	fmt.Fprintf(out, line, "what", "MB/s", "CPU s per GB", "peak MiB", "expected")
	for _, c := range b.cases() {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		u, err := b.median(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		speed, verdict := float64(c.bytes)/1e6/u.took.Seconds(), "-"
		if c.expected > 0 {
			verdict = fmt.Sprintf("at least %.0f: as expected", c.expected)
			if speed < c.expected {
				verdict = fmt.Sprintf("at least %.0f: SLOWER", c.expected)
			}
		}
		fmt.Fprintf(out, line, c.name, fmt.Sprintf("%.0f", speed),
			fmt.Sprintf("%.1f", u.cpu.Seconds()*1e9/float64(c.bytes)), fmt.Sprint(u.peak>>20), verdict)
	}
	return nil
}

// bench is what the measurements have in common.
type bench struct {
	options

	dir      string
	leadsync string // the program
	self     string
	export   exported
}

// prepare builds the program and makes the files.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if b.leadsync, err = program.Build(ctx, b.dir); err != nil {
		return err
	}
	b.export, err = export(ctx, b.dir, b.size<<20, min(b.some, b.size)<<20, b.seed)
	return err
}

// A measurement is one line of the table.
type measurement struct {
	name     string
	bytes    int64   // of events' JSON
	expected float64 // MB/s; 0: nothing is expected
	run      func(context.Context) (usage, error)
}

func (b *bench) cases() []measurement {
	x := b.export
	encoded := func(file string) func(context.Context) (usage, error) {
		return func(ctx context.Context) (usage, error) {
			return b.counted(ctx, "-encode", file)
		}
	}
	list := []measurement{
		{"leadsync: NDJSON to encoded rows", x.bytes, 250, encoded(x.ndjson)},
		{"leadsync: .zst to encoded rows", x.bytes, 200, encoded(x.zstd)},
		{"leadsync: .gz to encoded rows", x.bytes, 0, encoded(x.gzip)},
		{"leadsync: JSON array to encoded rows", x.bytes, 180, encoded(x.array)},
		{"leadsync: NDJSON into a DuckDB file", x.bytes, 0, b.intoDuckDB},
		{"DuckDB: read_ndjson, SQL into the same tables", x.bytes, 0, b.bySQL},
	}
	if hasJQ() {
		list = append(list, measurement{"jq: flat rows", x.someBytes, 0, func(ctx context.Context) (usage, error) {
			u, _, err := measure(ctx, nil, "jq", "-c", rowsJQ, x.some)
			return u, err
		}})
	}
	return list
}

// intoDuckDB is the whole command with the embedded warehouse.
func (b *bench) intoDuckDB(ctx context.Context) (usage, error) {
	warehouse := filepath.Join(b.dir, "ours.duckdb")
	defer func() { _ = os.Remove(warehouse) }()
	u, _, err := measure(ctx, embedded(warehouse), b.leadsync, "backfill", b.export.ndjson)
	return u, err
}

// bySQL is DuckDB by itself. The tables are made before.
func (b *bench) bySQL(ctx context.Context) (usage, error) {
	warehouse := filepath.Join(b.dir, "theirs.duckdb")
	defer func() { _ = os.Remove(warehouse) }()
	if _, _, err := measure(ctx, embedded(warehouse), b.leadsync, "schema", "apply"); err != nil {
		return usage{}, err
	}
	return b.counted(ctx, "-sql", b.export.ndjson, "-into", warehouse)
}

func embedded(warehouse string) []string {
	return []string{"SINK=duckdb", "DUCKDB_PATH=" + warehouse, "LOG_LEVEL=warn"}
}

// counted measures this program with these arguments. The error says that not
// every event became a row.
func (b *bench) counted(ctx context.Context, args ...string) (usage, error) {
	u, out, err := measure(ctx, nil, b.self, args...)
	if err != nil {
		return usage{}, err
	}
	var c count
	if err := json.Unmarshal(out, &c); err != nil {
		return usage{}, fmt.Errorf("read what was counted: %w", err)
	}
	if n := int64(b.export.events); c.Records != n || c.Written != n || c.Dead != 0 {
		return usage{}, fmt.Errorf("of %d events %d were read, %d written, %d dead", n, c.Records, c.Written, c.Dead)
	}
	return u, nil
}

// median measures as often as told and takes every figure for itself.
func (b *bench) median(ctx context.Context, c measurement) (usage, error) {
	var all []usage
	for range b.runs {
		u, err := c.run(ctx)
		if err != nil {
			return usage{}, err
		}
		all = append(all, u)
	}
	by := func(less func(a, b usage) int) usage {
		slices.SortFunc(all, less)
		return all[len(all)/2]
	}
	return usage{
		took: by(func(a, b usage) int { return int(a.took - b.took) }).took,
		cpu:  by(func(a, b usage) int { return int(a.cpu - b.cpu) }).cpu,
		peak: by(func(a, b usage) int { return a.peak - b.peak }).peak,
	}, nil
}
