package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"

	"leadsync/internal/faults"
)

// judged says in words what came of a fault.
func judged(r *faults.Result) string {
	if list := r.Problems(); len(list) > 0 {
		return "FAILED: " + list[0]
	}
	return "ok"
}

// print prints what came of the faults in the format that was asked for.
func (c *selftestCommand) print(w io.Writer, results []faults.Result) error {
	switch c.Format {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	case "markdown":
		machine := fmt.Sprintf("With leadsync %s, %s, on %s/%s with %d CPUs, %d faults played at a time, on %s.",
			thisBuild().version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), c.atOnce(),
			time.Now().UTC().Format(time.DateOnly))
		return faults.Document(w, faults.Table(), results, machine)
	default:
		return printColumns(w, c.rows(results), 1, 2, 3, 4, 5, 6)
	}
}

// rows are the lines of the table. The warehouse's name joins the fault's where
// there are several.
func (c *selftestCommand) rows(results []faults.Result) [][]string {
	rows := [][]string{{"fault", "events in", "unique rows out", "doubled", "dead", "lost", "recovered in", "verdict"}}
	for i := range results {
		r := &results[i]
		rows = append(rows, []string{
			c.name(r), strconv.Itoa(r.Events), strconv.Itoa(r.Unique), strconv.Itoa(r.Doubled), strconv.Itoa(r.Dead), strconv.Itoa(r.Lost),
			r.Recovered(), judged(r),
		})
	}
	return rows
}

func (c *selftestCommand) name(r *faults.Result) string {
	if c.EverySink {
		return r.Sink + " " + r.Name
	}
	return r.Name
}
