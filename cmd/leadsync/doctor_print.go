package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// checkWidth is the width of the column with the names of the checks.
const checkWidth = 21

// A findingPrinter prints findings: for people, with below it how to mend what
// is not in order, or as JSON, an object a line. For people it holds each back
// until the next, so that what mends several in a row is said once.
type findingPrinter struct {
	w    io.Writer
	json bool
	last *finding
}

func (p *findingPrinter) add(f finding) error {
	if p.json {
		e := json.NewEncoder(p.w)
		e.SetEscapeHTML(false)
		return e.Encode(f)
	}
	last := p.last
	p.last = &f
	if last == nil {
		return nil
	}
	if last.Mend == f.Mend {
		last.Mend = ""
	}
	return p.print(last)
}

// end prints what was held back.
func (p *findingPrinter) end() error {
	if p.last == nil {
		return nil
	}
	return p.print(p.last)
}

func (p *findingPrinter) print(f *finding) error {
	fill := strings.Repeat(" ", max(0, checkWidth-printWidth(f.Check)))
	line := fmt.Sprintf("%-7s  %s%s  %s\n", f.Verdict, f.Check, fill, printable(f.Found))
	if f.Mend != "" {
		line += "         mend: " + printable(f.Mend) + "\n"
	}
	_, err := io.WriteString(p.w, line)
	return err
}
