package bigquery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
	"leadsync/transform"
)

// maxAttempts is how many jobs one Commit runs for a table before it gives up
// on a failure that ought to pass. The next life of the load goes on counting.
const maxAttempts = 8

// A tableLoad is the rows of one table in a load.
type tableLoad struct {
	*jobLoad
	table  *transform.Table
	health health
	shards *shards
	rows   atomic.Int64 // that Write has accepted

	// What recall has found out; only load changes it after.
	location string // of the table
	created  time.Time
	attempt  int    // number of the next job
	loadedBy string // last job of an earlier life of the load, "" if none has succeeded
}

// jobID returns the id of the next attempt.
func (t *tableLoad) jobID() string {
	return fmt.Sprintf("leadsync_%s_%s_%s_%d", t.id, t.table.Name, t.stamp, t.attempt)
}

// recall looks for what an earlier life of the load has done. It waits for a
// job that still runs: what it reads must stay, and its rows are the load's.
func (t *tableLoad) recall(ctx context.Context) error {
	var staged []string // by earlier lives, for jobs that are done
	defer func() { t.remove(ctx, staged) }()
	for t.attempt = 1; ; t.attempt++ {
		job, err := t.look(ctx)
		if err != nil || job == nil {
			return err
		}
		if job, err = t.wait(ctx, job); err != nil {
			return err
		}
		staged = append(staged, t.names(job)...)
		if job.LastStatus().Err() == nil {
			t.loadedBy = job.ID()
		}
	}
}

// identify finds out where the table is and since when: the jobs of an earlier
// one of its name have nothing to do with it.
func (t *tableLoad) identify(ctx context.Context) error {
	return t.insist(ctx, "look at table "+t.table.Name, func(ctx context.Context) error {
		live, err := t.sink.dataset.Table(t.table.Name).Metadata(ctx, bq.WithMetadataView(bq.BasicMetadataView))
		if err != nil {
			return err
		}
		t.created = live.CreationTime
		t.location = t.config.Location
		if t.location == "" {
			t.location = live.Location
		}
		return nil
	})
}

// look returns the job of the next attempt, nil if there is none.
func (t *tableLoad) look(ctx context.Context) (job *bq.Job, err error) {
	err = t.insist(ctx, "look for job "+t.jobID(), func(ctx context.Context) (err error) {
		job, err = t.sink.rest.JobFromIDLocation(ctx, t.jobID(), t.location)
		if isNotFound(err) {
			job, err = nil, nil
		}
		return err
	})
	return job, err
}

// wait returns the job once it is done. That it is not found means that word
// of it has not got everywhere.
func (t *tableLoad) wait(ctx context.Context, job *bq.Job) (*bq.Job, error) {
	for try := 0; !job.LastStatus().Done(); try++ {
		sleep(ctx, t.config.pacing.transient.pause(try))
		err := t.insist(ctx, "look at job "+t.jobID(), func(ctx context.Context) error {
			seen, err := t.sink.rest.JobFromIDLocation(ctx, t.jobID(), t.location)
			if err == nil {
				job = seen
			}
			return unheard(err)
		})
		if err != nil {
			return nil, err
		}
	}
	return job, nil
}

// load loads what was staged.
func (t *tableLoad) load(ctx context.Context) error {
	uris := t.shards.urls()
	if len(uris) == 0 {
		return nil
	}
	for tries := 1; ; tries++ {
		begun := time.Now()
		job, err := t.run(ctx, uris)
		if err != nil {
			return err
		}
		failed := job.LastStatus().Err()
		switch ours := slices.Equal(uris, sources(job)); {
		case !ours && (failed != nil || t.table.ID != transform.SyncBatches):
			// Another life of the load is at work. Only its ledger will do as
			// well as ours: what it counts was loaded before it.
			t.attempt++
			tries--
			continue
		case failed == nil:
			return t.settle(job, ours, begun)
		}
		e := newJobError(t, job)
		if !e.passes() || tries == maxAttempts {
			return e
		}
		t.attempt++
		t.config.Logger.Warn("load job failed and is tried again", "table", t.table.Name, "job", job.ID(), "reason", e.reason)
		t.config.Observer.Retried(t.table.ID, sinks.Transient)
		sleep(ctx, t.config.pacing.throttled.pause(tries-1))
	}
}

// run has the next attempt's job made, or finds that it has been, and waits
// for its end.
func (t *tableLoad) run(ctx context.Context, uris []string) (*bq.Job, error) {
	var job *bq.Job
	err := t.insist(ctx, "begin job "+t.jobID(), func(ctx context.Context) (err error) {
		job, err = t.loader(uris).Run(ctx)
		if !hasHTTPCode(err, http.StatusConflict) {
			return err
		}
		// Taken in a try whose answer got lost, or by another life of the load.
		job, err = t.sink.rest.JobFromIDLocation(ctx, t.jobID(), t.location)
		return unheard(err)
	})
	if err != nil {
		return nil, err
	}
	return t.wait(ctx, job)
}

func (t *tableLoad) loader(uris []string) *bq.Loader {
	from := bq.NewGCSReference(uris...)
	from.SourceFormat = bq.JSON
	l := t.sink.dataset.Table(t.table.Name).LoaderFrom(from)
	l.JobID, l.Location = t.jobID(), t.location
	l.CreateDisposition, l.WriteDisposition = bq.CreateNever, bq.WriteAppend
	return l
}

// settle notes a job that has succeeded.
func (t *tableLoad) settle(job *bq.Job, ours bool, begun time.Time) error {
	if !ours {
		t.config.Logger.Info("rows were loaded by another process at the same time", "load", t.id, "table", t.table.Name, "job", job.ID())
		return nil
	}
	n := outputRows(job)
	if n != t.rows.Load() {
		return fmt.Errorf("job %s has loaded %d rows into %s, but %d were staged; look at the table before anything is loaded again", job.ID(), n, t.table.Name, t.rows.Load())
	}
	took := time.Since(begun)
	bytes := 0
	if s, ok := job.LastStatus().Statistics.Details.(*bq.LoadStatistics); ok {
		bytes = int(s.InputFileBytes)
	}
	t.config.Observer.Appended(t.table.ID, int(n), bytes, took)
	t.config.Logger.Info("rows were loaded", "load", t.id, "table", t.table.Name, "job", job.ID(), "rows", n, "bytes", bytes, "took", took.Round(time.Millisecond).String())
	return nil
}

// names returns what the job's objects are called, those of this loader.
func (t *tableLoad) names(job *bq.Job) []string {
	var names []string
	for _, uri := range sources(job) {
		if i := strings.LastIndex(uri, t.id+"/"); i >= 0 && t.staging.URL(uri[i:]) == uri {
			names = append(names, uri[i:])
		}
	}
	return names
}

func sources(job *bq.Job) []string {
	config, err := job.Config()
	if err != nil {
		return nil
	}
	if load, ok := config.(*bq.LoadConfig); ok {
		if from, ok := load.Src.(*bq.GCSReference); ok {
			return from.URIs
		}
	}
	return nil
}

func outputRows(job *bq.Job) int64 {
	if s := job.LastStatus().Statistics; s != nil {
		if d, ok := s.Details.(*bq.LoadStatistics); ok {
			return d.OutputRows
		}
	}
	return -1
}
