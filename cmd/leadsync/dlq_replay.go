package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"leadsync/config"
	"leadsync/sync/replay"
	"leadsync/transform"
)

type dlqReplayCommand struct {
	letterChoice
	IDs    []string `arg:"" optional:"" name:"id" help:"Only these letters, by their ids or the beginnings of them."`
	Limit  int      `help:"Replay at most so many letters, the oldest first; 0: all." placeholder:"N"`
	DryRun bool     `help:"List the letters that would be replayed; write nothing."`
	Prove  bool     `help:"Run the letters through this version and tell what would become of them; write nothing."`
	Again  bool     `help:"Also letters that died again when this version replayed them."`
}

// Help describes the command.
func (*dlqReplayCommand) Help() string {
	return `Replays open dead letters: they go through the same pipeline as other messages, into the warehouse in force, with the
message_id and the time of publishing that they came with. Each attempt is a row of dead_letter_replays. A letter that
became rows is no longer open: running it again replays nothing twice, and finishes what was interrupted.

A letter that this version would give up on again is not written anew; its history tells. It is tried again by another
version, or with --again: after the warehouse or a setting was changed. Letters of which a field policy has hidden
something are not replayed: what is left of them would be other events than the originals.

Settings: SOURCE_TIMEZONE, PROMOTED_FIELDS, FIELD_POLICY_FILE, BATCH_MAX_ROWS, BATCH_MAX_BYTES, SHUTDOWN_TIMEOUT, SINK and
those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH. No worker may have the file of the embedded
warehouse open, but for --prove and --dry-run nothing is written.

Exit status: 0 if all letters became rows or there was nothing to do, 3 if some are still dead, 1 if it failed.

Example:

    leadsync dlq replay --prove --since 7d
    leadsync dlq replay --reason row_rejected --again`
}

// Validate is called once the flags are parsed.
func (c *dlqReplayCommand) Validate() error {
	for i := range c.IDs {
		if err := checkPrefix(&c.IDs[i]); err != nil {
			return err
		}
	}
	if c.Limit < 0 {
		return fmt.Errorf("--limit %d: want 0 or more", c.Limit)
	}
	if c.DryRun && c.Prove {
		return errors.New("--dry-run and --prove: give one of them")
	}
	return c.check()
}

// Run replays the letters.
func (c *dlqReplayCommand) Run(ctx context.Context, p *process) error {
	cfg, options, err := p.rowSettings()
	if err != nil {
		return err
	}
	switch {
	case c.DryRun:
		err = withLetters(ctx, cfg, func(ctx context.Context, l *lookup) error { return c.dryRun(ctx, p, l) })
	case c.Prove:
		err = withLetters(ctx, cfg, func(ctx context.Context, l *lookup) error { return c.prove(ctx, p, l, options) })
	default:
		err = c.replay(ctx, p, cfg, options)
	}
	if status := exitStatus(0); err == nil || errors.As(err, &status) {
		return err
	}
	return fmt.Errorf("replay dead letters: %w", err)
}

// pages returns the letters that are asked for. Letters that die from now on
// are not among them: a replay must not chase its own.
func (c *dlqReplayCommand) pages(ctx context.Context, l *lookup) (*letterPages, error) {
	filter, err := c.filter(l.zone)
	if err != nil {
		return nil, err
	}
	for _, prefix := range c.IDs {
		r, err := l.findLetter(ctx, prefix)
		if err != nil {
			return nil, err
		}
		filter.IDs = append(filter.IDs, r.text("dead_letter_id"))
	}
	p := &letterPages{lookup: l, filter: filter, until: time.Now(), limit: c.Limit}
	if !c.Again {
		p.guard = thisBuild().version
	}
	return p, nil
}

// dryRun lists the letters that would be replayed.
func (c *dlqReplayCommand) dryRun(ctx context.Context, p *process, l *lookup) error {
	pages, err := c.pages(ctx, l)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	printer := newRowPrinter("table", out)
	if err := printer.columns([]string{"dead_letter_id", "reason", "fingerprint", "first_dead_at", "bytes", "replays"}); err != nil {
		return err
	}
	for {
		letters, err := pages.next(ctx)
		if err != nil {
			return err
		}
		if len(letters) == 0 {
			break
		}
		for _, s := range letters {
			if err := printer.row([]any{s.ID, string(s.Reason), s.Fingerprint, s.FirstDeadAt, s.PayloadBytes, s.Replays}); err != nil {
				return err
			}
		}
	}
	if pages.given > 0 {
		if err := printer.end(); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "%s would be replayed; nothing was written\n", count(int64(pages.given), "letter", "letters"))
	if pages.guarded > 0 {
		fmt.Fprintf(p.stderr, "%s skipped: %s\n", count(int64(pages.guarded), "letter", "letters"), guardedWords())
	}
	return nil
}

// prove tells what this version would make of the letters.
func (c *dlqReplayCommand) prove(ctx context.Context, p *process, l *lookup, options transform.Options) error {
	pages, err := c.pages(ctx, l)
	if err != nil {
		return err
	}
	if options.Erased, err = l.tombstones(ctx); err != nil {
		return err
	}
	judge, proof := replay.NewJudge(options), &proof{}
	for {
		letters, err := pages.next(ctx)
		if err != nil {
			return err
		}
		if len(letters) == 0 {
			break
		}
		if err := l.fetch(ctx, letters); err != nil {
			return err
		}
		now := time.Now()
		for _, letter := range letters {
			proof.add(letter, judge.Judge(&letter.Letter, now))
		}
	}
	if err := proof.print(p.stdout, pages.guarded); err != nil {
		return err
	}
	if proof.dead > 0 || pages.guarded > 0 {
		return exitStatus(exitDeadLetters)
	}
	return nil
}

// replay replays the letters and prints what became of them.
func (c *dlqReplayCommand) replay(ctx context.Context, p *process, cfg *config.Config, options transform.Options) error {
	t := &replayTally{progress: p.stderr, terminal: isTerminal(p.stderr)}
	err := replayLetters(ctx, cfg, options, p.logger(cfg), c.pages, t)
	t.endProgress()
	if err == nil || t.total() > 0 {
		err = errors.Join(err, t.print(p.stdout))
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("interrupted: run it again to go on")
	case err != nil && t.total() > 0:
		return fmt.Errorf("%w\nrun it again to go on", err)
	case err != nil:
		return err
	case t.stillDead() > 0:
		return exitStatus(exitDeadLetters)
	default:
		return nil
	}
}
