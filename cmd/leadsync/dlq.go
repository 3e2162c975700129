package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/transform"
)

type dlqCommand struct {
	List    dlqListCommand    `cmd:"" help:"Show the dead letters by cause."`
	Inspect dlqInspectCommand `cmd:"" help:"Show everything about one dead letter."`
	Replay  dlqReplayCommand  `cmd:"" help:"Make rows of dead letters after all."`
}

// A letterChoice says which dead letters a command is about.
type letterChoice struct {
	Reason      []string `help:"Only letters with this reason; may be given several times." placeholder:"CODE"`
	Fingerprint []string `help:"Only letters with this fingerprint; may be given several times." placeholder:"HEX"`
	Since       string   `help:"Only letters that died since: a span (90m, 24h, 7d), a day, or a day and time." placeholder:"WHEN"`
}

// check returns an error that names what is wrong.
func (c *letterChoice) check() error {
	for _, reason := range c.Reason {
		if !slices.Contains(transform.Reasons[:], transform.Reason(reason)) {
			return fmt.Errorf("--reason %s: there is none; there are %s", reason, joinReasons())
		}
	}
	for i, fingerprint := range c.Fingerprint {
		c.Fingerprint[i] = strings.ToLower(fingerprint)
		if !isHex(c.Fingerprint[i]) || len(fingerprint) != 16 {
			return fmt.Errorf("--fingerprint %s: want 16 hex digits", fingerprint)
		}
	}
	_, err := parseSince(c.Since, time.Now(), time.UTC)
	return err
}

func joinReasons() string {
	var list []string
	for _, reason := range transform.Reasons {
		list = append(list, string(reason))
	}
	return strings.Join(list, ", ")
}

func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// filter returns what the statements about some letters ask for.
func (c *letterChoice) filter(zone *time.Location) (letterFilter, error) {
	f := letterFilter{Reasons: c.Reason, Fingerprints: c.Fingerprint}
	since, err := parseSince(c.Since, time.Now(), zone)
	if err == nil && !since.IsZero() {
		f.Since = sqlInstant(since)
	}
	return f, err
}

// A letterFilter is what the statements of dead letters have in common.
type letterFilter struct {
	Since                      string // instant; "" for all
	Reasons, Fingerprints, IDs []string
}

// parseSince reads an instant: a span before now, in minutes, hours or days, or
// a day, or a day and time, in the zone. It is zero for no text.
func parseSince(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if span, err := time.ParseDuration(text); err == nil && span > 0 {
		return now.Add(-span), nil
	}
	for _, layout := range instantLayouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %s: want a span (90m, 24h, 7d), a day (2026-06-01), or a day and time", text)
}

// instantLayouts are how a day, or a day and time, may be written. What has no
// offset is in SOURCE_TIMEZONE.
var instantLayouts = []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.RFC3339}

// dlqTimeout bounds each statement about letters.
const dlqTimeout = 10 * time.Minute

// askLetters returns the result of a statement about letters.
func (l *lookup) askLetters(ctx context.Context, statement string, data any) ([]record, error) {
	ctx, cancel := context.WithTimeout(ctx, dlqTimeout)
	defer cancel()
	return l.ask(ctx, statement, data)
}

// withLetters opens the warehouse to be read, and calls f.
func withLetters(ctx context.Context, cfg *config.Config, f func(context.Context, *lookup) error) (err error) {
	w, err := openWarehouse(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := &lookup{warehouse: w, dialect: dialectOf(cfg), zone: cfg.Zone}
	if err := f(ctx, l); err != nil {
		if status := exitStatus(0); errors.As(err, &status) {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, dlqTimeout)
		defer cancel()
		return l.explained(ctx, err)
	}
	return nil
}

// tombstones returns the set of the entities that were erased.
func (l *lookup) tombstones(ctx context.Context) (*transform.Erased, error) {
	rows, err := l.askLetters(ctx, "erased", nil)
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	list := make([]transform.EntityDigest, len(rows))
	for i, r := range rows {
		if list[i], err = transform.ParseEntityDigest(r.text("entity_digest")); err != nil {
			return nil, fmt.Errorf("read tombstones: %w", err)
		}
	}
	set := &transform.Erased{}
	set.Set(list)
	return set, nil
}
