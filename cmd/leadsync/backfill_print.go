package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/sync/backfill"
	"leadsync/transform"
)

// deadRecords counts records that became dead letters, by reason, and keeps the
// first ones of all.
type deadRecords struct {
	mu      sync.Mutex
	reasons map[transform.Reason]int64
	first   []backfill.DeadRecord // at most shownDead, by place
}

// shownDead is how many dead records are shown.
const shownDead = 5

// add counts a record.
func (d *deadRecords) add(r backfill.DeadRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reasons == nil {
		d.reasons = map[transform.Reason]int64{}
	}
	d.reasons[r.Rejection.Reason]++
	at, _ := slices.BinarySearchFunc(d.first, r, func(a, b backfill.DeadRecord) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Number, b.Number))
	})
	if at < shownDead {
		d.first = slices.Insert(d.first, at, r)
		d.first = d.first[:min(len(d.first), shownDead)]
	}
}

// printFirst prints where the first dead records stand, and why they are dead.
func (d *deadRecords) printFirst(w io.Writer) error {
	for _, r := range d.first {
		number := fmt.Sprintf("record %d", r.Number)
		if r.From > 0 {
			number += fmt.Sprintf(" from offset %d", r.From)
		}
		if _, err := fmt.Fprintf(w, "  %s: offset %d, %s: %v\n", printable(r.Location), r.Offset, number, r.Rejection); err != nil {
			return err
		}
	}
	return nil
}

// printBackfill prints what a backfill has done.
func printBackfill(w io.Writer, s backfill.Summary, took time.Duration, dead *deadRecords, interrupted bool) error {
	rows := [][]string{
		{"files", filesRead(s, interrupted)},
		{"read", fmt.Sprintf("%s in %s", sized(s.Bytes), count(int64(s.Pieces), "piece", "pieces"))},
	}
	if s.Skipped > 0 {
		rows = append(rows, []string{"already there", count(int64(s.Skipped), "piece", "pieces") + ", left out"})
	}
	rows = append(rows,
		[]string{"records", fmt.Sprintf("%s = written %s + duplicates %s + dead %s + filtered %s",
			grouped(s.Records), grouped(s.Written), grouped(s.Duplicates), grouped(s.Dead), grouped(s.Filtered))},
		[]string{"took", tookWords(s.Bytes, took)})
	if err := printColumns(w, rows); err != nil {
		return err
	}
	if len(dead.reasons) == 0 {
		return nil
	}
	rows = [][]string{{"dead letters", "records"}}
	for _, reason := range transform.Reasons {
		if n := dead.reasons[reason]; n > 0 {
			rows = append(rows, []string{string(reason), grouped(n)})
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := printColumns(w, rows, 1); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "\nthe first of them (leadsync dlq list shows them by cause):"); err != nil {
		return err
	}
	return dead.printFirst(w)
}

// filesRead says how many files there were, and of how many something is left.
func filesRead(s backfill.Summary, interrupted bool) string {
	words := []string{grouped(int64(s.Files))}
	if n := len(s.Faulty); n > 0 {
		words = append(words, count(int64(n), "was", "were")+" not read to the end")
	}
	if n := len(s.Kept); n > 0 {
		words = append(words, count(int64(n), "was", "were")+" changed and left as read before")
	}
	if interrupted {
		words = append(words, "interrupted")
	}
	return strings.Join(words, "; ")
}

func tookWords(bytes int64, took time.Duration) string {
	text := lasting(took)
	if took < time.Minute {
		text = fmt.Sprintf("%.1fs", took.Seconds())
	}
	if bytes == 0 || took <= 0 {
		return text
	}
	return fmt.Sprintf("%s, %.1f MB/s", text, float64(bytes)/1e6/took.Seconds())
}
