package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadsync/config"
)

// A completeness is what the ledger and the tables say of each other.
type completeness struct {
	days    []record // of completeness_daily
	letters []record // by day, judged
	gaps    []record // by day and dimension; nil where they were not looked for
	batches record   // the ledger's own books
	noGaps  string   // why there are none
}

// Verdicts.
const (
	verdictAgrees     = "agrees"
	verdictLost       = "lost"
	verdictErased     = "erased"
	verdictUnledgered = "unledgered"
	verdictNotTallied = "not_tallied"
)

// reconcileTimeout bounds the comparison.
const reconcileTimeout = 30 * time.Minute

// compareLedger compares the ledger with the tables and reports whether they
// agree.
func (c *reconcileCommand) compareLedger(ctx context.Context, p *process, cfg *config.Config, days dayRange) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	found, err := c.readLedger(ctx, cfg, days)
	if err != nil {
		return false, err
	}
	wrong := found.wrong(c.Gaps == "fail")
	if c.Format == "table" {
		err = found.print(p.stdout, warehouseName(cfg), days, wrong)
	} else {
		err = found.printRows(newRowPrinter(c.Format, p.stdout))
	}
	if err != nil {
		return false, fmt.Errorf("print: %w", err)
	}
	return wrong == 0, nil
}

func (c *reconcileCommand) readLedger(ctx context.Context, cfg *config.Config, days dayRange) (found *completeness, err error) {
	w, err := openWarehouse(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	l := &lookup{warehouse: w, dialect: dialectOf(cfg)}
	found, err = l.completeness(ctx, days)
	if err == nil && c.Gaps != "skip" {
		err = found.readGaps(ctx, l, cfg, days)
	}
	return found, l.behind(ctx, err)
}

// behind says of a failure whether it comes of a schema that is behind.
func (l *lookup) behind(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	plan, planErr := l.warehouse.Plan(ctx)
	if planErr != nil || len(plan) == 0 {
		return err
	}
	return fmt.Errorf("%w\nthe warehouse's schema is behind (%s: %s): run leadsync schema apply first", err, plan[0].Object, plan[0].Action)
}

// completeness reads the ledger before the tables that it is compared with:
// what is written meanwhile can only be more than it tells of.
func (l *lookup) completeness(ctx context.Context, days dayRange) (*completeness, error) {
	f := &completeness{}
	batches, err := l.ask(ctx, "reconcile_batches", days.data())
	if err != nil {
		return nil, err
	}
	f.batches = batches[0]
	if f.days, err = l.ask(ctx, "reconcile_days", days.data()); err != nil {
		return nil, err
	}
	f.judgeTotal()
	if f.letters, err = l.ask(ctx, "reconcile_letters", days.data()); err != nil {
		return nil, err
	}
	f.judgeLetters()
	return f, nil
}

// judgeTotal compares what batches wrote that do not tell of days and types:
// together with the others', in total.
func (f *completeness) judgeTotal() {
	var unknown record
	var short, explained int64
	for _, d := range f.days {
		short += d.number("written") - d.number("copies")
		explained += d.number("missing")
		if d["event_day"] == nil && d["verdict"] == verdictNotTallied {
			unknown = d
		}
	}
	if unknown == nil || short <= explained {
		return
	}
	missing := short - explained
	unknown["missing"], unknown["verdict"] = missing, verdictErased
	if f.afterErasures(f.batches.instant("last_untallied_at")) {
		unknown["lost"], unknown["verdict"] = missing, verdictLost
	}
}

// afterErasures reports whether no erasure can have deleted what was written then.
func (f *completeness) afterErasures(t time.Time) bool {
	return t.After(f.batches.instant("last_erased_at").Add(time.Hour))
}

// judgeLetters finds out of how many dead letters the ledger tells that are
// not stored. The days' rows get missing, lost and a verdict.
func (f *completeness) judgeLetters() {
	var all, midnight record
	sums := []string{"dead", "dead_since", "letters", "letters_since"}
	all = record{}
	var missing, gone int64
	for _, d := range f.letters {
		for _, s := range sums {
			all[s] = all.number(s) + d.number(s)
		}
		if d["dead_day"] == nil {
			midnight = d
			midnight["missing"], midnight["lost"], midnight["verdict"] = int64(0), int64(0), verdictAgrees
			continue
		}
		d.judgeLetters(d.number("short"), d.number("short_since"))
		missing += d.number("missing")
		gone += d.number("lost")
	}
	if midnight != nil { // what is no day's own is everybody's
		all.judgeLetters(missing, gone)
		midnight["missing"] = all.number("missing") - missing
		midnight["lost"] = all.number("lost") - gone
		midnight["verdict"] = verdictOf(midnight)
	}
}

// judgeLetters judges a row of dead letters, of which at least so many are
// known to be missing and lost.
func (r record) judgeLetters(missing, gone int64) {
	gone = max(gone, r.number("dead_since")-r.number("letters_since"))
	r["lost"] = gone
	r["missing"] = max(missing, gone, r.number("dead")-r.number("letters"))
	r["verdict"] = verdictOf(r)
}

func verdictOf(r record) string {
	switch {
	case r.number("lost") > 0:
		return verdictLost
	case r.number("missing") > 0:
		return verdictErased
	default:
		return verdictAgrees
	}
}

// readGaps counts the gaps in the transitions.
func (f *completeness) readGaps(ctx context.Context, l *lookup, cfg *config.Config, days dayRange) (err error) {
	if cfg.Sink == config.BigQuery && cfg.RequirePartitionFilter {
		f.noGaps = "not looked for: the whole of transitions_log would have to be read, and BIGQUERY_REQUIRE_PARTITION_FILTER is on"
		return nil
	}
	f.gaps, err = l.ask(ctx, "reconcile_gaps", days.data())
	return err
}

// wrong returns how many disagreements there are.
func (f *completeness) wrong(gaps bool) (n int) {
	for _, r := range f.days {
		if v := r["verdict"]; v == verdictLost || v == verdictUnledgered {
			n++
		}
	}
	for _, r := range f.letters {
		if r["verdict"] == verdictLost {
			n++
		}
	}
	if f.batches.number("wrong") > 0 {
		n++
	}
	if gaps {
		n += len(f.gaps)
	}
	return n
}
