package backfill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leadsync/sinks"
	"leadsync/sync/pipeline"
)

// A Summary is what a run has done. Records is the sum of Written, Duplicates,
// Filtered and Dead: what became durable, or with a Loader what was committed.
type Summary struct {
	Files int   // of the task's share
	Bytes int64 // of the pieces, decompressed

	Records, Written, Duplicates, Filtered, Dead int64

	Pieces  int // that became durable; each has a checkpoint unless it was a dry run
	Skipped int // pieces that were left out because they were done
	Parts   int // that were committed

	// Faulty are the files that could not be read to their end, changed ones
	// that were refused among them. Kept are changed ones that were left alone.
	Faulty, Kept []string
}

// A run is one [Plan.Run].
type run struct {
	plan    *Plan
	summary Summary
	failed  []error // of files
}

// Run reads the task's share. Files that cannot be read to their end do not
// stop the others: what comes before the fault is loaded. Their errors are
// joined and returned at the end; each is a [FileError] or a [ChangedError].
// With a Loader the part of a file whose store fails is not committed.
//
// When ctx ends Run stops reading, waits for what is on its way to the sink as
// long as the pipeline's DrainTimeout says, writes the checkpoints of the
// pieces that are durable and returns the cause. The same holds after a failure
// of the sink. The summary tells what was done in any case.
func (p *Plan) Run(ctx context.Context) (Summary, error) {
	r := &run{plan: p}
	jobs, err := r.survey(ctx)
	switch {
	case err != nil:
	case p.cfg.Loader != nil:
		err = r.load(ctx, jobs)
	case len(jobs) > 0 && len(jobs[0]) > 0:
		err = r.write(ctx, jobs[0])
	}
	r.nameFaulty()
	return r.summary, errors.Join(append(r.failed, err)...)
}

// graceAfterDrain is how long checkpoints may still be written after a drain
// that took all its time.
const graceAfterDrain = 2 * time.Second

// write writes everything to the sink as it comes.
func (r *run) write(ctx context.Context, jobs []*job) error {
	keeper := newKeeper(&r.plan.cfg)
	s := newSource(r.plan, jobs, keeper.put)
	longer, cancel := outlive(ctx, r.plan.cfg.Pipeline.DrainTimeout+graceAfterDrain)
	defer cancel()
	within, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	done := make(chan struct{})
	var keeping error
	var wg sync.WaitGroup
	wg.Go(func() {
		if keeping = keeper.run(longer, done); keeping != nil {
			fail(keeping)
		}
	})
	err := s.carry(within, r.plan.cfg.Sink, r.plan.cfg.Pipeline.WorkerID)
	close(done)
	wg.Wait()
	r.add(s, keeper.kept)
	r.failed = append(r.failed, s.failures()...)
	if keeping != nil && (err == nil || errors.Is(err, keeping)) {
		return keeping
	}
	return errors.Join(err, keeping)
}

// load loads the parts. One may be committed while the next is read.
func (r *run) load(ctx context.Context, parts [][]*job) error {
	within, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var commit sync.WaitGroup
	var err, committing error
	for i, jobs := range parts {
		if len(jobs) == 0 {
			r.plan.progress.parts.Add(1)
			continue
		}
		var staged *part
		if staged, err = r.stage(within, i, jobs); err != nil {
			break
		}
		if staged == nil {
			continue
		}
		commit.Wait()
		if committing != nil {
			err = staged.discard()
			break
		}
		commit.Go(func() {
			if committing = r.commit(within, staged); committing != nil {
				fail(committing)
			}
		})
	}
	commit.Wait()
	if committing != nil && errors.Is(err, committing) {
		return committing
	}
	return errors.Join(committing, err)
}

// A part is a load that was staged.
type part struct {
	sinks.Load
	source *source
	pieces *keeper
}

// stage writes the rows of a part into a load. It returns none where the part
// could not be read whole: its load would not be what its identity says.
func (r *run) stage(ctx context.Context, i int, jobs []*job) (_ *part, err error) {
	id, err := r.plan.partID(ctx, jobs)
	if file := (*FileError)(nil); errors.As(err, &file) && ctx.Err() == nil {
		r.failed = append(r.failed, err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	load, err := r.plan.cfg.Loader.Begin(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("begin load %s: %w", id, err)
	}
	p := &part{Load: load, pieces: newKeeper(&r.plan.cfg)}
	p.source = newSource(r.plan, jobs, p.pieces.put)
	err = p.source.carry(ctx, load, fmt.Sprintf("%s-part%d", r.plan.cfg.Pipeline.WorkerID, i))
	r.failed = append(r.failed, p.source.failures()...)
	if err != nil || p.source.unsure {
		return nil, errors.Join(err, p.discard())
	}
	return p, nil
}

func (p *part) discard() error {
	if err := p.Close(); err != nil {
		return fmt.Errorf("close load: %w", err)
	}
	return nil
}

// commit makes a part durable, and its checkpoints after it.
func (r *run) commit(ctx context.Context, p *part) error {
	if err := p.Commit(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return errors.Join(fmt.Errorf("commit load: %w", err), p.discard())
	}
	longer, cancel := outlive(ctx, r.plan.cfg.Pipeline.DrainTimeout+graceAfterDrain)
	defer cancel()
	err := p.pieces.write(longer)
	r.add(p.source, p.pieces.kept)
	r.summary.Parts++
	r.plan.progress.parts.Add(1)
	return errors.Join(err, p.discard())
}

// add adds what a source has done to the summary.
func (r *run) add(s *source, pieces int) {
	t := &r.summary
	n := func(o pipeline.Outcome) int64 { return s.outcomes[o].Load() }
	t.Written += n(pipeline.Written)
	t.Duplicates += n(pipeline.Duplicate)
	t.Filtered += n(pipeline.Filtered)
	t.Dead += n(pipeline.Dead)
	t.Records = t.Written + t.Duplicates + t.Filtered + t.Dead
	t.Bytes += s.bytes.Load()
	t.Pieces += pieces
	t.Skipped += int(s.skipped.Load())
}

// skipped counts pieces that are done.
func (r *run) skipped(n int) {
	r.summary.Skipped += n
	r.plan.progress.skipped.Add(int64(n))
}

// nameFaulty lists the files that have errors, each once.
func (r *run) nameFaulty() {
	named := map[string]bool{}
	for _, err := range r.failed {
		name := ""
		if file := (*FileError)(nil); errors.As(err, &file) {
			name = file.Location
		}
		if changed := (*ChangedError)(nil); errors.As(err, &changed) {
			name = changed.Location
		}
		if name != "" && !named[name] {
			named[name] = true
			r.summary.Faulty = append(r.summary.Faulty, name)
		}
	}
}
