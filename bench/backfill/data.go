package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"leadsync/sync/simulate"
)

// exported are the files that one history was exported to.
type exported struct {
	events int
	bytes  int64 // of the lines; the other forms hold the same events

	ndjson, gzip, zstd, array string
	some                      string // the first lines, for tools that take long
	someBytes                 int64
}

// simulated is how many events are drawn from one simulated tenant; the next
// ones come from another, since a tenant grows slower with its size.
const simulated = 100_000

// export makes files of size bytes in dir, of events that are all different,
// with their keys in the order in which the platform sends them.
func export(ctx context.Context, dir string, size, some int64, seed uint64) (x exported, err error) {
	x = exported{
		ndjson: filepath.Join(dir, "events.ndjson"), gzip: filepath.Join(dir, "events.ndjson.gz"),
		zstd: filepath.Join(dir, "events.ndjson.zst"), array: filepath.Join(dir, "events.json"), some: filepath.Join(dir, "some.ndjson"),
	}
	var files []*os.File
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	create := func(name string) *bufio.Writer {
		f, createErr := os.Create(name)
		err = errors.Join(err, createErr)
		files = append(files, f)
		return bufio.NewWriterSize(f, 1<<20)
	}
	lines, array, head := create(x.ndjson), create(x.array), create(x.some)
	packed, zipped := create(x.zstd), create(x.gzip)
	if err != nil {
		return x, err
	}
	z, err := zstd.NewWriter(packed, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return x, fmt.Errorf("compress: %w", err)
	}
	g, err := gzip.NewWriterLevel(zipped, gzip.BestSpeed)
	if err != nil {
		return x, fmt.Errorf("compress: %w", err)
	}
	all := io.MultiWriter(lines, z, g)
	for n := uint64(0); x.bytes < size; n++ {
		tenant := simulate.New(simulate.Options{Seed: seed + n, Events: simulated, Now: time.Now(), Clean: true})
		for d := range tenant.Deliveries() {
			if x.bytes >= size {
				break
			}
			separator := ",\n"
			if x.events == 0 {
				separator = "[\n"
			}
			line := append(d.Payload[:len(d.Payload):len(d.Payload)], '\n')
			_, werr := all.Write(line)
			_, serr := array.WriteString(separator)
			_, aerr := array.Write(d.Payload)
			if x.bytes < some {
				_, herr := head.Write(line)
				werr = errors.Join(werr, herr)
				x.someBytes += int64(len(line))
			}
			if err := errors.Join(werr, serr, aerr, ctx.Err()); err != nil {
				return x, fmt.Errorf("write events: %w", err)
			}
			x.events++
			x.bytes += int64(len(line))
		}
	}
	_, err = array.WriteString("\n]\n")
	return x, errors.Join(err, z.Close(), g.Close(), lines.Flush(), array.Flush(), head.Flush(), packed.Flush(), zipped.Flush())
}
