package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// printColumns prints rows as aligned columns; those named in right are
// aligned to the right. The first row is the header.
func printColumns(w io.Writer, rows [][]string, right ...int) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], printWidth(cell))
		}
	}
	alignRight := make([]bool, len(widths))
	for _, i := range right {
		alignRight[i] = true
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-printWidth(cell))
			if alignRight[i] {
				b.WriteString("  " + fill + cell)
			} else {
				b.WriteString("  " + cell + fill)
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// grouped writes a number with commas between its thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// lasting writes a time span for people, in its two largest units.
func lasting(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd %02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}
