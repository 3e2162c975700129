package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// agrees reports whether the warehouse has what the export has, and no more.
func (c *comparison) agrees() bool {
	for _, n := range c.totals {
		if n > 0 {
			return false
		}
	}
	return true
}

// healable returns how many events can be healed.
func (c *comparison) healable() int64 { return c.totals[missingEvent] + c.totals[incompleteEvent] }

// print prints for people: what differs by day and type, examples, totals.
func (c *comparison) print(w io.Writer, warehouse string) error {
	var b bytes.Buffer
	x := c.export
	fmt.Fprintf(&b, "%s against %s", strings.Join(x.files, ", "), warehouse)
	if x.spool.events > 0 || x.days.given {
		at := func(second int64) string { return time.Unix(second, 0).UTC().Format("2006-01-02 15:04:05") }
		fmt.Fprintf(&b, ", events from %s to %s (UTC)", at(x.span.from), at(x.span.to-1))
	}
	fmt.Fprintln(&b)
	c.printDays(&b)
	c.printExamples(&b)
	fmt.Fprintln(&b)
	_ = printColumns(&b, c.lines(), 1) // a buffer takes everything
	fmt.Fprintln(&b)
	if c.agrees() {
		fmt.Fprintln(&b, "they agree")
	} else {
		fmt.Fprintln(&b, "they DISAGREE")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// printDays prints the days and types that differ.
func (c *comparison) printDays(b *bytes.Buffer) {
	keys := make(map[dayKind]bool)
	for _, counts := range c.counts {
		for key, n := range counts {
			keys[key] = keys[key] || n != 0
		}
	}
	maps.DeleteFunc(keys, func(_ dayKind, differs bool) bool { return !differs })
	if len(keys) == 0 {
		return
	}
	lines := [][]string{append([]string{"day", "event type"}, differenceNames[:]...)}
	for _, key := range slices.SortedFunc(maps.Keys(keys), func(a, b dayKind) int {
		return cmp.Or(-cmp.Compare(a.day, b.day), cmp.Compare(a.kind, b.kind))
	}) {
		line := []string{time.Unix(key.day, 0).UTC().Format(time.DateOnly), printable(key.kind)}
		for _, counts := range c.counts {
			line = append(line, grouped(counts[key]))
		}
		lines = append(lines, line)
	}
	printFirst(b, lines, "--since and --until show others", 2, 3, 4, 5, 6)
}

// printExamples says where some of the events stand that differ.
func (c *comparison) printExamples(b *bytes.Buffer) {
	var lines [][]string
	for difference, shown := range c.shown {
		for _, e := range shown {
			lines = append(lines, []string{differenceNames[difference], e.id, printable(e.place)})
		}
	}
	if lines != nil {
		fmt.Fprintln(b)
		_ = printColumns(b, lines)
	}
}

// lines are the totals.
func (c *comparison) lines() [][]string {
	x := c.export
	lines := [][]string{{"records of the export", grouped(x.records), ""}}
	add := func(name string, n int64, why string) {
		if n > 0 {
			lines = append(lines, []string{name, grouped(n), why})
		}
	}
	add("no events", x.dead, "they cannot become rows: leadsync transform says why")
	add("left out", x.erased, "they are about leads that were erased")
	add("outside", x.outside, "of the range of days")
	add("again", c.copies, "they stand in the export more than once")
	lines = append(lines, []string{"agree", grouped(c.known), ""})
	letters := "they stand in dead_letters: leadsync dlq replay"
	if c.unread {
		letters += " (there are more dead letters than were looked through)"
	}
	add("dead letters", c.letters, letters)
	for difference, why := range [numDifferences]string{
		"not in the warehouse",
		"not all of their transitions are in the warehouse",
		"the warehouse has another event of this type about the same entity in the same second",
		"their transitions have other values in the warehouse, from another version or field policy",
		"in the warehouse, not in the export",
	} {
		add(differenceNames[difference], c.totals[difference], why)
	}
	return lines
}
