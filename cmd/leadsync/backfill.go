package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"leadsync/config"
	"leadsync/sync/backfill"
	"leadsync/sync/files"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

type backfillCommand struct {
	Paths []string `arg:"" name:"path" help:"Files, folders, globs, gs://BUCKET/PREFIX, file:///PATH; - is standard input."`

	DryRun bool   `help:"Count what would become of the records, by event type; write nothing."`
	Plan   bool   `help:"Print each task's share, and what it takes; write nothing."`
	Via    string `help:"Way into BigQuery: load jobs, streams, or what suits." enum:"auto,load,stream" default:"auto"`

	Since     string   `help:"Only events since then: a day, or a day and time." placeholder:"WHEN"`
	Until     string   `help:"Only events up to the end of that day, or before that time." placeholder:"WHEN"`
	EventType []string `help:"Only events of this type; may be given several times." placeholder:"TYPE" sep:"none"`
	Tenant    []string `help:"Only events of this tenant; may be given several times." placeholder:"ID" sep:"none"`
	Oldest    string   `help:"Take events that are more than ten years old, since then." placeholder:"DATE"`

	Changed string  `help:"What to do with a file that was changed since it was read: refuse it, read it again, or keep what was read." enum:"refuse,again,keep" default:"refuse"`
	Again   bool    `help:"Read everything, whatever was read before."`
	Rate    float64 `help:"Events a second, at most." placeholder:"N"`

	TaskIndex string `help:"Which share of the work to do, 0 for the first (CLOUD_RUN_TASK_INDEX)." placeholder:"I"`
	TaskCount string `help:"In how many shares the work is cut (CLOUD_RUN_TASK_COUNT)." placeholder:"N"`
	Quiet     bool   `short:"q" help:"Do not tell how it is going."`

	PieceSize config.Size `hidden:"" help:"Bytes that share a checkpoint."`
	PartSize  config.Size `hidden:"" help:"Bytes that are committed together."`
}

// Help describes the command.
func (*backfillCommand) Help() string {
	return `Loads exported events into the warehouse: the very rows that the worker would have written. It may overlap with what the
worker wrote, be repeated, and be stopped at any time: no view shows anything twice, and what is done is not done again.

The form is told from the content: JSON objects one a line or one after the other, one JSON array, Pub/Sub messages
(push-shaped, pulled with gcloud, or written by a Cloud Storage subscription as text or Avro), rows exported from
events_log or the view events; each as it is, or as .gz or .zst. Files on disk must not be written to meanwhile.

Progress is kept in the warehouse, in backfill_checkpoints, by what the files hold, not by their names: any machine can go
on. A file that has grown is read from where it ended; one that was changed is refused, see --changed. The view
backfill_files sums it up.

Into BigQuery, events go by streams that are committed at once, or by load jobs from BACKFILL_STAGING: these if there is
one and there is more than 1 GiB to read, or --oldest is given. BigQuery's streams take no event older than ten years.
The embedded warehouse must not be open in a worker.

Days and times without an offset are in SOURCE_TIMEZONE. What is no event becomes a dead letter, whatever is selected.

Settings: SINK and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH; BACKFILL_STAGING,
SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE, DEAD_LETTER_TOPIC, CLOUD_RUN_TASK_INDEX, CLOUD_RUN_TASK_COUNT,
SHUTDOWN_TIMEOUT, LOG_LEVEL, LOG_FORMAT. CPU_PROFILE_FILE takes a CPU profile.

Exit status: 0 if all records became rows or were left out on purpose, 3 if some are dead letters, 1 if a file could not be
read to its end, was changed, or it was interrupted; all else is done then.

Examples:

    leadsync backfill --dry-run export/
    leadsync backfill 'gs://acme-export/2023/*.json.gz' --since 2023-06-01 --event-type object_update_life_cycle`
}

// backfillDelay ends a batch that waits to be filled: files are not slow, so it
// is the last one, or --rate holds it back.
const backfillDelay = 50 * time.Millisecond

// Validate is called once the flags are parsed.
func (c *backfillCommand) Validate() error {
	switch {
	case c.DryRun && c.Plan:
		return errors.New("--dry-run and --plan: give one of them")
	case c.Oldest != "" && c.Via == viaStream:
		return errors.New("--oldest and --via stream: BigQuery's streams take no event that is older than ten years; load jobs do")
	case c.Rate < 0:
		return fmt.Errorf("--rate %v: want more than 0", c.Rate)
	case slices.Contains(c.EventType, "") || slices.Contains(c.Tenant, ""):
		return errors.New("--event-type and --tenant: want no empty ones")
	}
	if _, err := c.oldest(time.UTC); err != nil {
		return err
	}
	_, err := c.selection(time.UTC)
	return err
}

// Run reads the paths.
func (c *backfillCommand) Run(ctx context.Context, p *process) (err error) {
	p.flags["CLOUD_RUN_TASK_INDEX"], p.flags["CLOUD_RUN_TASK_COUNT"] = c.TaskIndex, c.TaskCount
	cfg, options, err := p.rowSettings()
	if err != nil {
		return err
	}
	stopProfile, err := startProfile(cfg.CPUProfile)
	if err != nil {
		return err
	}
	store := files.New(p.stdin)
	err = c.do(ctx, p, cfg, options, store)
	status := exitStatus(0)
	switch closed := errors.Join(store.Close(), stopProfile()); {
	case closed != nil && (err == nil || errors.As(err, &status)):
		return fmt.Errorf("backfill: %w", closed)
	case err == nil || errors.As(err, &status):
		return err
	default:
		return fmt.Errorf("backfill: %w", errors.Join(err, closed))
	}
}

// do does what the flags ask for.
func (c *backfillCommand) do(ctx context.Context, p *process, cfg *config.Config, options transform.Options, store *files.Store) (err error) {
	via, err := c.way(ctx, cfg, store)
	if err != nil {
		return err
	}
	job := backfill.Config{
		Store: store, Paths: c.Paths, Via: via,
		Changed: backfill.Changed(c.Changed), Again: c.Again, Rate: c.Rate,
		TaskIndex: cfg.TaskIndex, TaskCount: cfg.TaskCount, PieceBytes: int64(c.PieceSize), PartBytes: int64(c.PartSize),
		DryRun: c.DryRun,
	}
	if job.Selection, err = c.selection(cfg.Zone); err != nil {
		return err
	}
	if options.Oldest, err = c.oldest(cfg.Zone); err != nil {
		return err
	}
	tell := c.teller(p, cfg)
	job.Pipeline = pipeline.Config{
		Transform: options, MaxDelay: backfillDelay, DrainTimeout: drainTimeout(cfg.ShutdownTimeout),
		WorkerID: workerID(), WorkerVersion: thisBuild().version,
	}
	switch {
	case c.Plan:
		return c.plan(ctx, p, job)
	case c.DryRun:
		return c.dryRun(ctx, p, job, tell)
	default:
		return c.load(ctx, p, cfg, job, tell)
	}
}

// A backfillTeller tells how it is going.
type backfillTeller struct {
	logger *slog.Logger
	line   *liveLine // nil where nobody looks
	quiet  bool
}

func (c *backfillCommand) teller(p *process, cfg *config.Config) *backfillTeller {
	if c.Quiet || !isTerminal(p.stderr) {
		return &backfillTeller{logger: p.logger(cfg), quiet: c.Quiet}
	}
	line := &liveLine{w: p.stderr}
	return &backfillTeller{logger: p.loggerTo(line, cfg), line: line}
}

// run runs a plan and tells how it is going.
func (t *backfillTeller) run(ctx context.Context, plan *backfill.Plan) (backfill.Summary, time.Duration, error) {
	stop := func() {}
	switch {
	case t.line != nil:
		stop = showProgress(t.line, plan.Progress)
	case !t.quiet:
		t.logger.Info("backfill started", "files", len(plan.Files), "bytes", plan.Progress().TotalBytes)
		stop = logProgress(t.logger, plan.Progress)
	}
	defer stop()
	start := time.Now()
	summary, err := plan.Run(ctx)
	return summary, time.Since(start), err
}
