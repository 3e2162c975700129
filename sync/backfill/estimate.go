package backfill

import (
	"bytes"
	"context"
	"errors"
	"io"

	"leadsync/sync/exports"
	"leadsync/sync/files"
	"leadsync/sync/records"
)

// sampled is how many files an estimate reads the heads of.
const sampled = 16

// Estimate returns how many records the plan's files hold about, of all tasks,
// by the heads of at most 16 of them. It reads no standard input, and counts
// nothing for what cannot be read.
func (p *Plan) Estimate(ctx context.Context) (int64, error) {
	var known []files.File
	var total int64
	for _, f := range p.Files {
		if f.Size > 0 {
			known = append(known, f)
			total += f.Size
		}
	}
	n := min(sampled, len(known))
	found, of := make([]float64, n), make([]float64, n)
	each(ctx, maxReaders(), n, func(i int) {
		found[i], of[i] = p.sample(ctx, known[i*len(known)/n])
	})
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	var all, size float64
	for i := range n {
		all += found[i]
		size += of[i]
	}
	if size == 0 {
		return 0, nil
	}
	return int64(all / size * float64(total)), nil
}

// sample counts the records at the head of a file and the bytes, as stored,
// that they took.
func (p *Plan) sample(ctx context.Context, f files.File) (found, size float64) {
	raw, err := p.open(ctx, &f, 0, -1)
	if err != nil {
		return 0, 0
	}
	defer raw.Close() //nolint:errcheck // it was only read
	// Decompression runs ahead: the less it is given, the closer the ratio.
	stored := &counter{src: io.LimitReader(raw, 2<<20)}
	src, compression, err := files.Decompress(stored)
	if err != nil {
		return 0, 0
	}
	defer src.Close() //nolint:errcheck // it was only read
	head, err := io.ReadAll(io.LimitReader(src, 16<<20))
	if len(head) == 0 || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, 0
	}
	size = float64(len(head))
	if compression != "" {
		size = float64(stored.n)
	}
	return float64(countRecords(head)), size
}

// countRecords returns how many records a file that begins so has there.
func countRecords(head []byte) (n int) {
	src := bytes.NewReader(head)
	if exports.IsAvro(head) {
		a, err := exports.NewAvro(src)
		for err == nil {
			if _, _, err = a.Next(); err == nil {
				n++
			}
		}
		return n
	}
	blocks := records.NewBlocks(src, records.BlockConfig{})
	var list []records.Record
	for {
		b, err := blocks.Next()
		if err != nil {
			return n
		}
		list, _ = b.Records(list[:0]) // fails only if it was released
		n += len(list)
		b.Release()
	}
}
