package backfill

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"leadsync/sync/files"
	"leadsync/sync/records"
)

// A verdict is what a survey found of one unit.
type verdict struct {
	job     *job  // nil: nothing is left to read
	skipped int   // pieces that are done
	changed *Done // a piece that was read and is another now
	err     error
}

// survey finds out what is left to read of the share's units, before anything
// is written. The jobs come part by part.
func (r *run) survey(ctx context.Context) ([][]*job, error) {
	units := slices.Concat(r.plan.parts...)
	verdicts := make([]verdict, len(units))
	each(ctx, maxReaders(), len(units), func(i int) {
		if u := units[i]; u.split {
			verdicts[i] = r.plan.surveyRange(ctx, u)
		} else {
			verdicts[i] = r.plan.surveyWhole(ctx, u)
		}
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	left := r.judge(units, verdicts)
	jobs := make([][]*job, len(r.plan.parts))
	next := 0
	for i, part := range r.plan.parts {
		for _, u := range part {
			v := &verdicts[next]
			next++
			if left[u.file] {
				r.skipped(v.skipped)
			}
			if v.job != nil && left[u.file] {
				jobs[i] = append(jobs[i], v.job)
			} else {
				r.plan.progress.bytes.Add(u.bytes)
			}
		}
	}
	return jobs, nil
}

// judge returns the files that are to be read. A file that has changed, or
// cannot be read, is left out whole: so that nothing is read of one whose
// change came to light in a later part.
func (r *run) judge(units []*unit, verdicts []verdict) map[*files.File]bool {
	left := map[*files.File]bool{}
	for _, u := range units {
		left[u.file] = true
	}
	r.summary.Files = len(left)
	for i, u := range units {
		v := &verdicts[i]
		if !left[u.file] {
			continue // said once
		}
		switch {
		case v.err != nil:
			left[u.file] = false
			r.failed = append(r.failed, &FileError{Location: u.file.Location, Offset: u.start, From: u.start, Err: v.err})
		case v.changed != nil && r.plan.cfg.Changed == Refuse:
			left[u.file] = false
			r.failed = append(r.failed, &ChangedError{Location: u.file.Location, Recorded: *v.changed})
		case v.changed != nil && r.plan.cfg.Changed == Keep:
			left[u.file] = false
			r.summary.Kept = append(r.summary.Kept, u.file.Location)
		}
	}
	return left
}

// surveyWhole looks at a file that is one unit.
func (p *Plan) surveyWhole(ctx context.Context, u *unit) verdict {
	there := p.finished.at[u.file.Location]
	if len(there) == 0 {
		return verdict{job: &job{unit: u}}
	}
	agreed, doubtful := trusted(u.file, there)
	if done, complete := reach(agreed, 0); complete {
		return verdict{skipped: len(agreed)}
	} else if len(doubtful) == 0 {
		return verdict{skipped: len(agreed), job: &job{unit: u, from: done}}
	}
	raw, err := p.open(ctx, u.file, 0, -1)
	if err != nil {
		return verdict{err: err}
	}
	defer raw.Close() //nolint:errcheck // it was only read
	src, _, err := files.Decompress(raw)
	if err != nil {
		return verdict{err: err}
	}
	defer src.Close() //nolint:errcheck // it was only read
	c, err := check(ctx, src, 0, doubtful)
	if err != nil && raw.failed != nil {
		return verdict{err: err}
	}
	agreed = merge(agreed, c.agreed)
	v := verdict{skipped: len(agreed), changed: c.changed(agreed, 0, math.MaxInt64)}
	done, complete := reach(agreed, 0)
	if v.changed != nil || !complete || err != nil || !c.ended || c.end != done {
		v.job = &job{unit: u, from: done}
	}
	return v
}

// surveyRange looks at a range of a file.
func (p *Plan) surveyRange(ctx context.Context, u *unit) verdict {
	there := p.finished.at[u.file.Location]
	if len(there) == 0 && !p.finished.startsIn(u.start, u.end) {
		return verdict{job: &job{unit: u, lo: -1, hi: -1, from: -1}}
	}
	j := &job{unit: u}
	if err := p.bounds(ctx, j); err != nil {
		return verdict{err: err}
	}
	if j.lo >= j.hi {
		return verdict{} // the range before runs on
	}
	var here []Done
	for _, d := range there {
		if d.Start < j.hi && d.End > j.lo {
			here = append(here, d)
		}
	}
	agreed, doubtful := trusted(u.file, here)
	v := verdict{}
	if len(doubtful) > 0 {
		c, err := p.checkRange(ctx, u.file, doubtful)
		if err != nil {
			return verdict{err: err}
		}
		agreed = merge(agreed, c.agreed)
		v.changed = c.changed(agreed, j.lo, j.hi)
	}
	v.skipped = len(agreed)
	j.from = join(agreed).reach(j.lo)
	if j.from == j.lo && v.changed == nil && p.finished.hasRange(j.lo, j.hi) {
		digest, err := p.digest(ctx, u.file, j.lo, j.hi)
		if err != nil {
			return verdict{err: err}
		}
		if p.finished.has(j.lo, j.hi, digest) { // read from elsewhere
			return verdict{skipped: 1}
		}
	}
	if j.from < j.hi {
		v.job = j
	}
	return v
}

// checkRange compares pieces of a file that is not compressed.
func (p *Plan) checkRange(ctx context.Context, f *files.File, pieces []Done) (checked, error) {
	start := pieces[0].Start
	raw, err := p.open(ctx, f, start, -1)
	if err != nil {
		return checked{}, err
	}
	defer raw.Close() //nolint:errcheck // it was only read
	return check(ctx, raw, start, pieces)
}

// bounds finds where the records of a range begin and end.
func (p *Plan) bounds(ctx context.Context, j *job) (err error) {
	if j.lo, err = p.cutAt(ctx, j.file, j.start); err != nil {
		return err
	}
	j.hi, err = p.cutAt(ctx, j.file, j.end)
	return err
}

// cutAt returns the cut of x, as [records.BlockConfig] has it.
func (p *Plan) cutAt(ctx context.Context, f *files.File, x int64) (int64, error) {
	if x == 0 || x >= f.Size {
		return min(x, f.Size), nil
	}
	for length := int64(headBytes); ; length = f.Size - x {
		length = min(length, f.Size-x)
		cut, err := p.cutWithin(ctx, f, x, length)
		switch {
		case err == nil:
			return cut, nil
		case !errors.Is(err, io.EOF):
			return 0, err
		case x+length == f.Size:
			return f.Size, nil
		}
	}
}

// cutWithin returns the cut of x that so many bytes tell, [io.EOF] if they tell
// none.
func (p *Plan) cutWithin(ctx context.Context, f *files.File, x, length int64) (int64, error) {
	raw, err := p.open(ctx, f, x, length)
	if err != nil {
		return 0, err
	}
	defer raw.Close() //nolint:errcheck // it was only read
	b, err := records.NewBlocks(raw, records.BlockConfig{Start: x, Size: 64 << 10}).Next()
	if err != nil {
		return 0, err
	}
	defer b.Release()
	return b.Start, nil
}

// trusted parts the pieces into those that need not be looked at, since they
// were read from this very version of the file, and the others.
func trusted(f *files.File, pieces []Done) (sure, doubtful []Done) {
	for _, d := range pieces {
		if f.Version != "" && d.Version == f.Version {
			sure = append(sure, d)
		} else {
			doubtful = append(doubtful, d)
		}
	}
	return sure, doubtful
}

// reach returns how far a file is done from start on, and whether a piece says
// that it ends there.
func reach(pieces []Done, start int64) (done int64, complete bool) {
	done = join(pieces).reach(start)
	for _, d := range pieces {
		complete = complete || d.AtEnd && d.End == done
	}
	return done, complete
}
