package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/bigquery"
	"leadsync/sync/backfill"
	"leadsync/sync/files"
	"leadsync/transform"
)

// load writes what is read to the warehouse, and prints what was done.
func (c *backfillCommand) load(ctx context.Context, p *process, cfg *config.Config, job backfill.Config, tell *backfillTeller) (err error) {
	sink, err := openSink(ctx, cfg, tell.logger, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	if job.Done, err = checkpoints(ctx, cfg, sink, job.Selection); err != nil {
		return err
	}
	erased := &transform.Erased{}
	unfollow, err := followErased(ctx, sink, erased, tell.logger, func(error) {})
	if err != nil {
		return err
	}
	defer unfollow()
	letters, shut, err := openLetters(context.WithoutCancel(ctx), cfg, newHealth(), tell.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()

	dead := &deadRecords{}
	job.Sink, job.Dead = sink, dead.add
	job.Pipeline.Transform.Erased, job.Pipeline.Letters = erased, letters
	if job.Loader = loader(cfg, sink, job); job.Loader != nil {
		defer func() { err = errors.Join(err, job.Loader.Close()) }()
	}
	plan, err := backfill.NewPlan(ctx, job)
	if err != nil {
		return err
	}
	summary, took, err := tell.run(ctx, plan)
	if printed := printBackfill(p.stdout, summary, took, dead, ctx.Err() != nil); printed != nil {
		err = errors.Join(err, fmt.Errorf("print: %w", printed))
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: what is done is kept, and the same command goes on from there")
	case errors.As(err, new(*backfill.ChangedError)):
		return fmt.Errorf("%w\n--changed=again reads them again, --changed=keep leaves them as they were read", err)
	case err != nil:
		return fmt.Errorf("%w\nall else is done; the same command tries again what is not", err)
	case summary.Dead > 0:
		return exitStatus(exitDeadLetters)
	default:
		return nil
	}
}

// loader returns the way into BigQuery, nil for the embedded warehouse.
func loader(cfg *config.Config, sink workerSink, job backfill.Config) sinks.Loader {
	s, ok := sink.(*bigquery.Sink)
	switch {
	case !ok:
		return nil
	case job.Via == viaLoad:
		return s.LoadJobs(staging{job.Store, strings.TrimSuffix(cfg.BackfillStaging, "/")})
	default:
		return s.PendingStreams()
	}
}

// staging is where the files stand that load jobs read.
type staging struct {
	store *files.Store
	url   string // of its folder
}

var _ bigquery.Staging = staging{}

func (s staging) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	return s.store.Create(ctx, s.URL(name))
}

func (s staging) URL(name string) string { return s.url + "/" + name }

func (s staging) Delete(ctx context.Context, name string) error {
	return s.store.Delete(ctx, s.URL(name))
}

// checkpointsTimeout bounds the reading of the checkpoints.
const checkpointsTimeout = 10 * time.Minute

// checkpoints reads what was done before. The embedded warehouse is asked as it
// is open already.
func checkpoints(ctx context.Context, cfg *config.Config, sink workerSink, wanted backfill.Selection) (done []backfill.Done, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkpointsTimeout)
	defer cancel()
	warehouse, own := sink.(sinks.Warehouse)
	if !own {
		if warehouse, err = openWarehouse(ctx, cfg); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, warehouse.Close()) }()
	}
	statement := sinks.Statement(dialectOf(cfg), "backfill_checkpoints", struct{ Selection string }{wanted.String()})
	err = warehouse.Query(ctx, statement, func([]string) error { return nil }, func(values []any) error {
		done = append(done, backfill.Done{
			Location: asText(values[0]), Version: asText(values[1]), Start: asInt(values[2]), End: asInt(values[3]),
			AtEnd: values[4] == true, Digest: asText(values[5]),
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	return done, nil
}
