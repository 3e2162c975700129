package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// printEach prints what is in the list as JSON, an object a line, or as text.
func printEach[T any](w io.Writer, format string, list []T, asText func(T) error) error {
	for i, v := range list {
		var err error
		switch format {
		case "json":
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			err = enc.Encode(v)
		default:
			if i > 0 {
				_, err = fmt.Fprintln(w)
			}
			if err == nil {
				err = asText(v)
			}
		}
		if err != nil {
			return fmt.Errorf("print explanation: %w", err)
		}
	}
	return nil
}

// A sheet is text for people: lines, and sections with a name on the left.
type sheet struct {
	b    bytes.Buffer
	zone *time.Location
}

// nameWidth is how wide the names of sections are.
const nameWidth = 18

// sheetWidth is how wide lists are before they go on in the next line.
const sheetWidth = 118

func (s *sheet) line(format string, args ...any) { fmt.Fprintf(&s.b, format+"\n", args...) }

// columns adds a section of aligned columns.
func (s *sheet) columns(name string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
	}
	var b bytes.Buffer
	_ = printColumns(&b, rows) // a buffer takes everything
	for line := range strings.Lines(b.String()) {
		s.section(name, strings.TrimPrefix(line, "  "))
		name = ""
	}
}

// list adds a section of words that go on in the next line.
func (s *sheet) list(name string, words []string) {
	pieces := make([]string, len(words))
	for i, word := range words {
		if pieces[i] = printable(word); i < len(words)-1 {
			pieces[i] += ","
		}
	}
	s.wrapped(name, pieces)
}

// words adds a section of a sentence that goes on in the next line.
func (s *sheet) words(name, sentence string) { s.wrapped(name, strings.Fields(printable(sentence))) }

// wrapped adds a section of pieces with a space between them, in as many lines
// as they need; none is taken apart.
func (s *sheet) wrapped(name string, pieces []string) {
	var line string
	for _, piece := range pieces {
		switch {
		case line == "":
			line = piece
		case nameWidth+printWidth(line)+1+printWidth(piece) > sheetWidth:
			s.section(name, line+"\n")
			name, line = "", piece
		default:
			line += " " + piece
		}
	}
	if line != "" {
		s.section(name, line+"\n")
	}
}

func (s *sheet) section(name, line string) {
	fmt.Fprintf(&s.b, "  %-*s%s", nameWidth-2, name, line)
}

// second and millisecond write an instant in the source's zone.
func (s *sheet) second(t time.Time) string { return t.In(s.zone).Format(time.DateTime) }

func (s *sheet) millisecond(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return t.In(s.zone).Format(time.DateTime + ".000")
}

// valueWords writes a value of a dimension with its label.
func valueWords(value, label *string) string {
	switch {
	case value == nil:
		return "–"
	case label == nil || *label == *value:
		return *value
	default:
		return *label + " (" + *value + ")"
	}
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}
