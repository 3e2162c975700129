package backfill

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/zeebo/xxh3"

	"leadsync/sync/files"
)

// checked is what came of comparing pieces that were read before with what the
// file holds now.
type checked struct {
	agreed, other []Done
	end           int64 // how far was read
	ended         bool  // there is nothing behind
}

// check compares pieces, in order of their starts, with what src holds, which
// stands at the given byte of the file and before all of them. It reads no
// further than to the byte behind the last, or to the place where src fails.
// The error says why it does.
func check(ctx context.Context, src io.Reader, at int64, pieces []Done) (checked, error) {
	c := checked{end: at}
	hashes := map[int64]*xxh3.Hasher{} // of the bytes since a start
	last := map[int64]int64{}          // the last end of those with a start
	places := []int64{at}
	for _, d := range pieces {
		places = append(places, d.Start, d.End)
		last[d.Start] = max(last[d.Start], d.End)
	}
	slices.Sort(places)
	places = slices.Compact(places)
	buf := make([]byte, 256<<10)
	var err error
	for _, to := range places {
		if err == nil {
			err = c.readTo(ctx, src, to, buf, hashes)
		}
		for _, d := range pieces {
			switch h := hashes[d.Start]; {
			case d.End != to || d.End < d.Start:
			case err == nil && (d.End == d.Start || h != nil && sum(h) == d.Digest):
				c.agreed = append(c.agreed, d)
			default:
				c.other = append(c.other, d)
			}
		}
		for start, end := range last {
			if start == to && end > to {
				hashes[start] = xxh3.New()
			}
			if end <= to {
				delete(hashes, start)
			}
		}
	}
	if err == nil {
		var n int
		n, err = io.ReadFull(src, buf[:1])
		if c.ended = n == 0; err == nil || !c.ended {
			return c, nil
		}
	}
	c.ended = true
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return c, err
}

// readTo reads on to a place and adds what comes to the hashes. The error is
// [io.EOF] where the file ends before.
func (c *checked) readTo(ctx context.Context, src io.Reader, to int64, buf []byte, hashes map[int64]*xxh3.Hasher) error {
	for c.end < to {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := src.Read(buf[:min(int64(len(buf)), to-c.end)])
		for _, h := range hashes {
			_, _ = h.Write(buf[:n]) // never fails
		}
		c.end += int64(n)
		if err != nil && c.end < to {
			return err
		}
	}
	return nil
}

// changed returns the first piece that is another now, as far as it lies between
// lo and hi, nil if there is none. One whose bytes were read again since, so
// that others agree, is not.
func (c *checked) changed(agreed []Done, lo, hi int64) *Done {
	there := join(agreed)
	if c.ended {
		hi = min(hi, c.end)
	}
	for i := range c.other {
		if d := &c.other[i]; !there.hold(max(d.Start, lo), min(d.End, hi)) {
			return d
		}
	}
	return nil
}

// merge returns both lists in one, in order of their starts.
func merge(a, b []Done) []Done {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y Done) int { return cmp.Compare(x.Start, y.Start) })
	return all
}

// digest returns that of a range of a file that is not compressed.
func (p *Plan) digest(ctx context.Context, f *files.File, start, end int64) (string, error) {
	raw, err := p.open(ctx, f, start, end-start)
	if err != nil {
		return "", err
	}
	defer raw.Close() //nolint:errcheck // it was only read
	var h xxh3.Hasher
	if _, err := io.Copy(&h, raw); err != nil {
		return "", err
	}
	return sum(&h), nil
}
