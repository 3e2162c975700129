package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadsync/config"
	"leadsync/sync/backfill"
	"leadsync/sync/files"
)

// The ways into a warehouse, as flags and checkpoints name them.
const (
	viaAuto   = "auto"
	viaLoad   = "load"
	viaStream = "stream"
	viaAppend = "append" // into the embedded one
)

// muchToRead is from how many bytes on load jobs are worth their while.
const muchToRead = 1 << 30

// way returns the way into the warehouse: that which was asked for, or which
// suits. It depends on all files, so that every task takes the same.
func (c *backfillCommand) way(ctx context.Context, cfg *config.Config, store *files.Store) (string, error) {
	if cfg.Sink == config.DuckDB {
		if c.Via != viaAuto {
			return "", fmt.Errorf("--via %s is a way into BigQuery; the embedded warehouse has but one", c.Via)
		}
		return viaAppend, nil
	}
	const staging = "BACKFILL_STAGING=gs://BUCKET/PREFIX, where the files to be loaded are put meanwhile"
	switch {
	case c.Via == viaLoad && cfg.BackfillStaging == "":
		return "", errors.New("--via load wants " + staging)
	case c.Oldest != "" && cfg.BackfillStaging == "":
		return "", errors.New("--oldest wants load jobs, since BigQuery's streams take no event that is older than ten years: set " + staging)
	case c.Via != viaAuto:
		return c.Via, nil
	case cfg.BackfillStaging == "":
		return viaStream, nil
	case c.Oldest != "":
		return viaLoad, nil
	}
	list, err := store.List(ctx, c.Paths)
	if err != nil {
		return "", err
	}
	total := int64(0)
	for _, f := range list {
		total += max(0, f.Size)
	}
	if total > muchToRead {
		return viaLoad, nil
	}
	return viaStream, nil
}

// selection returns which events are wanted.
func (c *backfillCommand) selection(zone *time.Location) (s backfill.Selection, err error) {
	s.EventTypes, s.Tenants = c.EventType, c.Tenant
	if s.Since, _, err = readInstant("--since", c.Since, zone); err != nil {
		return s, err
	}
	var isDay bool
	if s.Until, isDay, err = readInstant("--until", c.Until, zone); err != nil {
		return s, err
	}
	if isDay {
		s.Until = s.Until.AddDate(0, 0, 1)
	}
	if c.Since != "" && c.Until != "" && !s.Since.Before(s.Until) {
		return s, fmt.Errorf("--until %s is before --since %s", c.Until, c.Since)
	}
	return s, nil
}

// oldest returns since when events are taken; zero: as the worker takes them.
func (c *backfillCommand) oldest(zone *time.Location) (time.Time, error) {
	at, _, err := readInstant("--oldest", c.Oldest, zone)
	return at, err
}

// readInstant reads a day, or a day and time, in the zone; zero for no text. A
// span before now is not taken: the same command must mean the same events when
// it is run again.
func readInstant(flag, text string, zone *time.Location) (at time.Time, isDay bool, err error) {
	if text == "" {
		return time.Time{}, false, nil
	}
	for _, layout := range instantLayouts {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, layout == time.DateOnly, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("%s %s: want a day (2026-06-01), or a day and time (2026-06-01T08:00:00Z)", flag, text)
}
