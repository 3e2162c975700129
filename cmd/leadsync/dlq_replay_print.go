package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"leadsync/sync/replay"
	"leadsync/transform"
)

// A replayTally counts what became of letters, and shows it while it goes on.
type replayTally struct {
	fates   map[replay.Fate]int
	reasons map[transform.Reason]int // why letters died again
	guarded int                      // letters that were left alone, since this version has tried them

	progress io.Writer
	terminal bool
	shown    time.Time
}

// add counts a letter.
func (t *replayTally) add(_ *replay.Letter, v replay.Verdict) {
	if t.fates == nil {
		t.fates, t.reasons = map[replay.Fate]int{}, map[transform.Reason]int{}
	}
	t.fates[v.Fate]++
	if v.Rejection != nil {
		t.reasons[v.Rejection.Reason]++
	}
	if now := time.Now(); t.terminal && now.Sub(t.shown) > 100*time.Millisecond {
		t.shown = now
		fmt.Fprintf(t.progress, "\r%s: %s\x1b[K", count(int64(t.total()), "letter", "letters"), t.line())
	}
}

// endProgress clears the line in which progress was shown.
func (t *replayTally) endProgress() {
	if !t.shown.IsZero() {
		fmt.Fprint(t.progress, "\r\x1b[K")
	}
}

func (t *replayTally) line() string {
	var words []string
	for _, fate := range replay.Fates {
		if n := t.fates[fate]; n > 0 {
			words = append(words, fmt.Sprintf("%s %s", fate, grouped(int64(n))))
		}
	}
	return strings.Join(words, ", ")
}

// total returns how many letters were dealt with.
func (t *replayTally) total() (n int) {
	for _, letters := range t.fates {
		n += letters
	}
	return n
}

// stillDead returns how many letters are as dead as before.
func (t *replayTally) stillDead() int {
	n := t.total() + t.guarded
	for _, fate := range replay.Fates {
		if fate.Mends() {
			n -= t.fates[fate]
		}
	}
	return n
}

// tallyWords are the fates for people.
var tallyWords = map[replay.Fate]string{
	replay.Written:   "written",
	replay.Duplicate: "duplicate",
	replay.Filtered:  "filtered",
	replay.Dead:      "dead again",
	replay.Hidden:    "skipped",
	replay.Torn:      "skipped",
	replay.GivenBack: "interrupted",
}

// skipWords say why letters were not tried.
var skipWords = map[replay.Fate]string{
	replay.Hidden: "a field policy has hidden values: the event would be another one than the original",
	replay.Torn:   "a part of the payload is missing",
}

// print prints what became of the letters.
func (t *replayTally) print(w io.Writer) error {
	if t.total()+t.guarded == 0 {
		_, err := fmt.Fprintln(w, "no open dead letters to replay")
		return err
	}
	rows := [][]string{{"letters", grouped(int64(t.total() + t.guarded)), ""}}
	for _, fate := range replay.Fates {
		word, n := tallyWords[fate], t.fates[fate]
		if n == 0 && fate != replay.Written {
			continue
		}
		why := skipWords[fate]
		if fate == replay.Dead {
			why = t.why()
		}
		rows = append(rows, []string{word, grouped(int64(n)), why})
	}
	if t.guarded > 0 {
		rows = append(rows, []string{"skipped", grouped(int64(t.guarded)), guardedWords()})
	}
	return printColumns(w, rows, 1)
}

// why names the reasons for which letters died again, with their numbers.
func (t *replayTally) why() string {
	var words []string
	for _, reason := range transform.Reasons {
		if n := t.reasons[reason]; n > 0 {
			words = append(words, fmt.Sprintf("%s %s", reason, grouped(int64(n))))
		}
	}
	return strings.Join(words, ", ")
}

// guardedWords tells of letters that are not tried again.
func guardedWords() string {
	return fmt.Sprintf("died again under this version (%s) before; --again tries once more", thisBuild().version)
}

// A proof is what this version would make of letters, by cause and outcome.
type proof struct {
	outcomes map[proven]int
	total    int
	dead     int // letters that would not become rows
}

type proven struct{ fingerprint, reason, outcome string }

// add counts a letter.
func (p *proof) add(letter *storedLetter, v replay.Verdict) {
	if p.outcomes == nil {
		p.outcomes = map[proven]int{}
	}
	outcome := fateWords(letter, v.Fate)
	if v.Rejection != nil {
		outcome += ": " + string(v.Rejection.Reason) + ": " + v.Rejection.Cause
	}
	p.outcomes[proven{letter.Fingerprint, string(letter.Reason), outcome}]++
	p.total++
	if !v.Fate.Mends() {
		p.dead++
	}
}

// print prints the outcomes, the most frequent first.
func (p *proof) print(w io.Writer, guarded int) error {
	rows := [][]string{{"fingerprint", "reason", "letters", "outcome"}}
	keys := slices.SortedFunc(maps.Keys(p.outcomes), func(a, b proven) int {
		if n := p.outcomes[b] - p.outcomes[a]; n != 0 {
			return n
		}
		return strings.Compare(a.fingerprint+a.outcome, b.fingerprint+b.outcome)
	})
	for _, k := range keys {
		rows = append(rows, []string{k.fingerprint, k.reason, grouped(int64(p.outcomes[k])), printable(k.outcome)})
	}
	if len(keys) > 0 {
		if err := printColumns(w, rows, 2); err != nil {
			return err
		}
	}
	if guarded > 0 {
		if _, err := fmt.Fprintf(w, "  skipped %s: %s\n", count(int64(guarded), "letter", "letters"), guardedWords()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s of %s would become rows or be left out; nothing was written\n", grouped(int64(p.total-p.dead)), count(int64(p.total), "letter", "letters"))
	return err
}
