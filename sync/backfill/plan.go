package backfill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"leadsync/sync/exports"
	"leadsync/sync/files"
	"leadsync/sync/records"
)

// A Plan is what a backfill reads, and which task reads what: the same for the
// same files and number of tasks, whatever is done already.
type Plan struct {
	// Files are all files, of every task, sorted by location.
	Files []files.File

	// Shares are what each task reads, this one's at Config.TaskIndex.
	Shares []Share

	cfg      Config
	parts    [][]*unit // of this task's share
	finished *finished
	progress progress
}

// A Share is what one task reads.
type Share struct {
	Files int   // with a unit in the share
	Units int   // ranges of files, or whole ones
	Parts int   // what a Loader commits; 0 without one
	Bytes int64 // as stored; of files whose size is unknown nothing
}

// A unit is what one goroutine reads: a whole file or, of one that can be
// split, the range from start to end as [records.BlockConfig] has it.
type unit struct {
	file       *files.File
	start, end int64
	split      bool
	bytes      int64 // as stored
}

// NewPlan lists the files and splits those that are large and can be. It reads
// the heads of large files, and nothing of others. Call Run once.
func NewPlan(ctx context.Context, cfg Config) (*Plan, error) {
	cfg.setDefaults()
	if cfg.TaskIndex < 0 || cfg.TaskIndex >= cfg.TaskCount {
		return nil, fmt.Errorf("there is no task %d of %d: they are counted from 0", cfg.TaskIndex, cfg.TaskCount)
	}
	list, err := cfg.Store.List(ctx, cfg.Paths)
	if err != nil {
		return nil, err
	}
	p := &Plan{Files: list, cfg: cfg, finished: newFinished(cfg.Done)}
	splittable, err := p.sniff(ctx)
	if err != nil {
		return nil, err
	}
	p.share(p.units(splittable))
	return p, nil
}

// sniff tells which files can be split.
func (p *Plan) sniff(ctx context.Context) ([]bool, error) {
	splittable := make([]bool, len(p.Files))
	failed := make([]error, len(p.Files))
	var large []int
	for i, f := range p.Files {
		if f.Size > p.cfg.PieceBytes {
			large = append(large, i)
		}
	}
	each(ctx, 8, len(large), func(k int) {
		i := large[k]
		splittable[i], failed[i] = p.canSplit(ctx, &p.Files[i])
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return splittable, errors.Join(failed...)
}

// each calls do for all numbers below n, some at a time, until ctx ends.
func each(ctx context.Context, atOnce, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atOnce, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
}

// headBytes are enough of a file to tell whether it can be split.
const headBytes = 256 << 10

// canSplit reports whether a file can be split. The error is the store's alone:
// all tasks must come to the same answer, or to none.
func (p *Plan) canSplit(ctx context.Context, f *files.File) (bool, error) {
	raw, err := p.open(ctx, f, 0, min(f.Size, headBytes))
	if err != nil {
		return false, err
	}
	defer raw.Close() //nolint:errcheck // it was only read
	head, err := io.ReadAll(raw)
	if err != nil {
		return false, err
	}
	src, compression, err := files.Decompress(bytes.NewReader(head))
	if err != nil {
		return false, nil // whoever reads the file will say so
	}
	defer src.Close() //nolint:errcheck // it was only read
	return compression == "" && !exports.IsAvro(head) && records.Splittable(head), nil
}

func (p *Plan) units(splittable []bool) []*unit {
	var list []*unit
	for i := range p.Files {
		f := &p.Files[i]
		if !splittable[i] {
			list = append(list, &unit{file: f, bytes: max(f.Size, 0)})
			continue
		}
		for start := int64(0); start < f.Size; start += p.cfg.PieceBytes {
			end := min(start+p.cfg.PieceBytes, f.Size)
			list = append(list, &unit{file: f, start: start, end: end, split: true, bytes: end - start})
		}
	}
	return list
}

// share deals the units out: each belongs to the task in whose stretch of all
// bytes its middle lies.
func (p *Plan) share(units []*unit) {
	var total uint64
	for _, u := range units {
		total += 2 * uint64(u.bytes+1)
	}
	p.Shares = make([]Share, p.cfg.TaskCount)
	mine := make([][]*unit, p.cfg.TaskCount)
	var before uint64
	for _, u := range units {
		hi, lo := bits.Mul64(before+uint64(u.bytes+1), uint64(p.cfg.TaskCount))
		task, _ := bits.Div64(hi, lo, total)
		before += 2 * uint64(u.bytes+1)
		mine[task] = append(mine[task], u)
	}
	for i, list := range mine {
		s := &p.Shares[i]
		s.Units = len(list)
		var last *files.File
		for _, u := range list {
			s.Bytes += u.bytes
			if u.file != last {
				s.Files++
				last = u.file
			}
		}
		parts := p.cut(list)
		if p.cfg.Loader != nil {
			s.Parts = len(parts)
		}
		if i == p.cfg.TaskIndex {
			p.parts = parts
		}
	}
	p.progress.init(mine[p.cfg.TaskIndex], p.Shares[p.cfg.TaskIndex])
}

// cut makes parts of units: one of all where there is no Loader.
func (p *Plan) cut(units []*unit) [][]*unit {
	var parts [][]*unit
	var size int64
	for _, u := range units {
		if len(parts) == 0 || p.cfg.Loader != nil && size+u.bytes > p.cfg.PartBytes {
			parts = append(parts, nil)
			size = 0
		}
		size += u.bytes
		parts[len(parts)-1] = append(parts[len(parts)-1], u)
	}
	return parts
}
