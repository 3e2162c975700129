package faults

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"
)

//go:embed reliability.md.tmpl
var reliability string

// Document writes docs/reliability.md: what an operator should know, the table,
// and what was measured on a machine, which is described in words.
func Document(w io.Writer, list []Fault, results []Result, machine string) error {
	page, err := template.New("reliability").Parse(reliability)
	if err != nil {
		return fmt.Errorf("read the template of the document: %w", err)
	}
	return page.Execute(w, struct{ Table, Measured, Machine string }{tableOf(list), measured(results), machine})
}

// headings are the classes in the order of the document.
var headings = []struct {
	class Class
	title string
}{
	{Transient, "Transient: passes by itself"},
	{Throttled, "Throttled: a quota is used up"},
	{Setup, "Set-up: a person must act"},
	{Data, "Data: can never be written"},
	{Delivery, "Delivery: messages come again, late or in disorder"},
	{Process, "Process: the worker is ended or starved"},
}

// tableOf returns the fault table. Faults about which the same is done and
// seen share a line.
func tableOf(list []Fault) string {
	var b strings.Builder
	for _, h := range headings {
		var lines [][]Fault
		at := map[string]int{}
		for _, f := range list {
			if f.Class != h.class {
				continue
			}
			key := f.Does + "\n" + f.Sees
			if i, ok := at[key]; ok {
				lines[i] = append(lines[i], f)
				continue
			}
			at[key] = len(lines)
			lines = append(lines, []Fault{f})
		}
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "### %s\n\n| fault | what goes wrong | what the worker does | what the operator sees |\n|---|---|---|---|\n", h.title)
		for _, line := range lines {
			var names, wrong []string
			for _, f := range line {
				names, wrong = append(names, "`"+f.Name+"`"), append(wrong, cell(f.wrong()))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.Join(names, "<br>"), strings.Join(wrong, "<br>"), cell(line[0].Does), cell(line[0].Sees))
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}

// wrong says what goes wrong, with all that a reader must know of how it is
// played.
func (f *Fault) wrong() string {
	text := f.Wrong
	if len(f.Environ) > 0 {
		text += " (played with `" + strings.Join(f.Environ, " ") + "`)"
	}
	if f.Long {
		text += " (not with `--short`)"
	}
	return text
}

// measured returns a table of results.
func measured(results []Result) string {
	var b strings.Builder
	b.WriteString("| fault | warehouse | events in | unique rows out | doubled | dead | lost | copies | given back | most deliveries | recovered in | |\n" +
		"|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	for i := range results {
		r := &results[i]
		verdict := "ok"
		if list := r.Problems(); len(list) > 0 {
			verdict = "**failed**: " + cell(strings.Join(list, "; "))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s |\n",
			r.Name, r.Sink, r.Events, r.Unique, r.Doubled, r.Dead, r.Lost, r.Copies, r.Nacks, r.Attempts, r.Recovered(), verdict)
	}
	return strings.TrimSpace(b.String())
}

// cell returns a text as a cell of a table can hold it.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
