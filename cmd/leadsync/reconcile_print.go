package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// dayColumns are those of a day and type that people are shown.
var dayColumns = []struct{ name, title string }{
	{"received", "received"}, {"written", "written"}, {"duplicates", "duplicates"}, {"dead", "dead"},
	{"filtered", "filtered"}, {"copies", "rows"}, {"events", "events"}, {"missing", "missing"}, {"unledgered", "unledgered"},
}

// print prints for people: what disagrees first, then totals.
func (f *completeness) print(w io.Writer, warehouse string, days dayRange, wrong int) error {
	f.order()
	var b bytes.Buffer
	fmt.Fprintf(&b, "The ledger against the tables of %s, %s (UTC)\n", warehouse, days)
	shown, agreeing, judged := f.printDays(&b)
	f.printLetters(&b)
	fmt.Fprintln(&b)
	_ = printColumns(&b, f.totals()) // a buffer takes everything
	fmt.Fprintln(&b)
	if shown > 0 {
		fmt.Fprintf(&b, "%s of %s and types agree; ", grouped(int64(agreeing)), count(int64(judged), "day", "days"))
	} else {
		fmt.Fprintf(&b, "%s and types agree; ", count(int64(agreeing), "day", "days"))
	}
	switch wrong {
	case 0:
		fmt.Fprintln(&b, "nothing disagrees")
	default:
		fmt.Fprintln(&b, count(int64(wrong), "DISAGREEMENT", "DISAGREEMENTS"))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// printDays prints the days and types that do not simply agree.
func (f *completeness) printDays(b *bytes.Buffer) (shown, agreeing, judged int) {
	header := []string{"day", "event type"}
	right := []int{}
	for i, c := range dayColumns {
		header = append(header, c.title)
		right = append(right, i+2)
	}
	lines := [][]string{append(header, "")}
	for _, d := range f.days {
		if d["event_day"] != nil {
			judged++
		}
		if d["verdict"] == verdictAgrees {
			if d["event_day"] != nil {
				agreeing++
			}
			continue
		}
		line := []string{orDash(d["event_day"]), printable(orDash(d["event_type"]))}
		for _, c := range dayColumns {
			line = append(line, grouped(d.number(c.name)))
		}
		lines = append(lines, append(line, loud(d.text("verdict"))))
	}
	printFirst(b, lines, "--format json has all", right...)
	return len(lines) - 1, agreeing, judged
}

// firstLines is how many lines of what disagrees people are shown.
const firstLines = 50

// printFirst prints the first lines below a header, and how many there are more.
func printFirst(b *bytes.Buffer, lines [][]string, more string, right ...int) {
	if len(lines) < 2 {
		return
	}
	fmt.Fprintln(b)
	_ = printColumns(b, lines[:min(len(lines), 1+firstLines)], right...) // a buffer takes everything
	if n := len(lines) - 1 - firstLines; n > 0 {
		fmt.Fprintf(b, "  … and %s; %s\n", count(int64(n), "line", "lines"), more)
	}
}

// printLetters prints the days of which dead letters are missing.
func (f *completeness) printLetters(b *bytes.Buffer) {
	lines := [][]string{{"day of death", "in the ledger", "stored", "missing", ""}}
	for _, d := range f.letters {
		if d["verdict"] != verdictAgrees {
			day := "over midnight"
			if d["dead_day"] != nil {
				day = d.text("dead_day")
			}
			lines = append(lines, []string{day, grouped(d.number("dead")), grouped(d.number("letters")),
				grouped(d.number("missing")), loud(d.text("verdict"))})
		}
	}
	printFirst(b, lines, "--format json has all", 1, 2, 3)
}

// loud writes a verdict so that the eye finds what calls for somebody.
func loud(verdict string) string {
	if verdict == verdictLost || verdict == verdictUnledgered {
		return strings.ToUpper(verdict)
	}
	return verdict
}

// order puts the lines that call for somebody first, then the latest.
func (f *completeness) order() {
	rank := map[string]int{verdictLost: 0, verdictUnledgered: 1, verdictErased: 2, verdictNotTallied: 3, verdictAgrees: 4}
	slices.SortStableFunc(f.days, func(a, b record) int {
		return cmp.Or(
			cmp.Compare(rank[a.text("verdict")], rank[b.text("verdict")]),
			-cmp.Compare(a.text("event_day"), b.text("event_day")),
			cmp.Compare(a.text("event_type"), b.text("event_type")))
	})
}

// totals are the lines about everything together.
func (f *completeness) totals() [][]string {
	var copies, events, dead, letters int64
	for _, d := range f.days {
		copies += d.number("copies")
		events += d.number("events")
	}
	for _, d := range f.letters {
		dead += d.number("dead")
		letters += d.number("letters")
	}
	l := f.batches
	books := "each adds up"
	if wrong := l.number("wrong"); wrong > 0 {
		books = fmt.Sprintf("%s NOT ADD UP, for example %s", count(wrong, "DOES", "DO"), printable(l.text("a_wrong_one")))
	}
	lines := [][]string{
		{"batches", grouped(l.number("batches")) + ": " + books},
		{"received", fmt.Sprintf("%s = written %s + duplicates %s + dead %s + filtered %s", grouped(l.number("received")),
			grouped(l.number("written")), grouped(l.number("duplicates")), grouped(l.number("dead")), grouped(l.number("filtered")))},
		{"rows", fmt.Sprintf("%s: %s and %s", grouped(copies), count(events, "event", "events"), count(copies-events, "copy", "copies"))},
		{"dead letters", fmt.Sprintf("%s in the ledger, %s stored", grouped(dead), grouped(letters))},
	}
	if n := l.number("untallied"); n > 0 {
		lines = append(lines, []string{"not tallied", count(n, "batch", "batches") + " of a version that did not count by day and type: compared in total only"})
	}
	if n := l.number("erased"); n > 0 {
		lines = append(lines, []string{"erased", count(n, "tombstone", "tombstones") + " since: rows that are missing may be theirs"})
	}
	return append(lines, f.gapLine()...)
}

func (f *completeness) gapLine() [][]string {
	if f.noGaps != "" {
		return [][]string{{"gaps", f.noGaps}}
	}
	if f.gaps == nil {
		return nil
	}
	counts := map[string]int{}
	for _, g := range f.gaps {
		counts[g.text("dimension")] += int(g.number("gaps"))
	}
	return [][]string{{"gaps", listed(counts) + ": changes that the source never told of, or that were lost"}}
}

// printRows prints every line for programs: days and types, dead letters by
// day, gaps, and the ledger's books.
func (f *completeness) printRows(out rowPrinter) error {
	names := []string{"kind", "day", "event_type", "dimension"}
	for _, c := range dayColumns {
		names = append(names, c.name)
	}
	if err := out.columns(append(names, "lost", "gaps", "batches", "verdict")); err != nil {
		return err
	}
	f.order()
	line := func(kind string, day any, r record, more ...any) error {
		values := []any{kind, day, r["event_type"], r["dimension"]}
		for _, c := range dayColumns {
			values = append(values, r[c.name])
		}
		return out.row(append(append(values, r["lost"], r["gaps"], r["batches"]), more...))
	}
	for _, d := range f.days {
		if err := line("events", d["event_day"], d, d["verdict"]); err != nil {
			return err
		}
	}
	for _, d := range f.letters {
		d["copies"] = d["letters"]
		if err := line("dead_letters", d["dead_day"], d, d["verdict"]); err != nil {
			return err
		}
	}
	for _, g := range f.gaps {
		if err := line("gaps", g["event_day"], g, nil); err != nil {
			return err
		}
	}
	books := verdictAgrees
	if f.batches.number("wrong") > 0 {
		books = "wrong"
	}
	if err := line("ledger", nil, f.batches, books); err != nil {
		return err
	}
	return out.end()
}
