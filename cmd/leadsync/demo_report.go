package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"leadsync/sinks"
	"leadsync/sync/simulate"
)

// A demoReport prints what analysts see, read from the warehouse's views as
// leadsync query reads them.
type demoReport struct {
	warehouse sinks.Warehouse
	w         io.Writer
}

// sourceZone is the zone in which the demo shows times: that of the source.
var sourceZone = time.FixedZone("UTC+8", 8*60*60)

// print prints the whole report and compares it with the truth.
func (r *demoReport) print(ctx context.Context, c *demoCommand, truth simulate.Truth, redelivered int64) error {
	fmt.Fprintf(r.w, "Tenant %s (seed %d), 90 days up to %s: %s events, %s copies of them, %s poisoned messages\n", simulate.TenantID, c.Seed,
		c.Day.Format(time.DateOnly), grouped(int64(truth.Events)), grouped(int64(truth.Copies)), grouped(int64(truth.Dead())))
	if err := r.story(ctx); err != nil {
		return err
	}
	if err := r.ledger(ctx, truth, redelivered); err != nil {
		return err
	}
	return r.views(ctx)
}

// rows returns the result of a query.
func (r *demoReport) rows(ctx context.Context, sql string) ([][]any, error) {
	var all [][]any
	err := r.warehouse.Query(ctx, sql,
		func([]string) error { return nil },
		func(row []any) error {
			all = append(all, append([]any(nil), row...))
			return nil
		})
	return all, err
}

// story prints the transitions of one lead that went through much.
func (r *demoReport) story(ctx context.Context) error {
	rows, err := r.rows(ctx, `
		WITH chosen AS (
			SELECT entity_id FROM transitions WHERE object_name = 'lead'
			GROUP BY entity_id
			ORDER BY
				CASE WHEN COUNT(*) BETWEEN 10 AND 24 THEN 0 ELSE 1 END,
				MAX(CASE WHEN is_gap THEN 1 ELSE 0 END) DESC,
				COUNT(DISTINCT dimension) DESC, COUNT(DISTINCT reason) DESC, entity_id
			LIMIT 1
		)
		SELECT
			(SELECT name FROM leads WHERE entity_id = chosen.entity_id), occurred_at, dimension,
			COALESCE(from_label_now, from_value), COALESCE(to_label_now, to_value), reason, operator_type, operator_id,
			dwell_seconds, is_repeat, is_gap, entity_id
		FROM chosen JOIN transitions USING (entity_id)
		ORDER BY occurred_at, dimension, is_repeat, exited_at NULLS LAST, event_type`)
	if err != nil || len(rows) == 0 {
		return err
	}
	cells := [][]string{{"when (UTC+8)", "what", "from", "to", "why", "who", "stayed", ""}}
	for _, row := range rows {
		when, dimension := row[1].(time.Time), asText(row[2])
		if row[9] == true {
			cells = tellAgain(cells, dimension, orDash(row[4]))
			continue
		}
		why := strings.ReplaceAll(asText(row[5]), "_", " ")
		stayed := dwellText(row[8])
		if row[8] == nil {
			stayed = "to this day"
		}
		remark := ""
		if row[10] == true {
			remark = "after a gap: a change in between never came"
		}
		cells = append(cells, []string{when.In(sourceZone).Format(time.DateTime), dimension,
			orDash(row[3]), orDash(row[4]), why, whoActed(row[6], row[7]), stayed, remark})
	}
	fmt.Fprintf(r.w, "\nThe story of one lead, %s (%s)\n\n", asText(rows[0][0]), asText(rows[0][11]))
	return printColumns(r.w, cells, 6)
}

// tellAgain remarks on the latest change of the dimension to this value that
// it was told once more.
func tellAgain(cells [][]string, dimension, to string) [][]string {
	const again = "told again by another event"
	for i := len(cells) - 1; i > 0; i-- {
		if c := cells[i]; c[1] == dimension && c[3] == to {
			switch {
			case c[7] == "":
				c[7] = again
			case !strings.Contains(c[7], again):
				c[7] += "; " + again
			}
			break
		}
	}
	return cells
}

// whoActed names the operator.
func whoActed(kind, id any) string {
	switch asInt(kind) {
	case 1:
		return "user " + asText(id)
	case 2:
		return "member " + asText(id)
	default:
		return "platform"
	}
}

// orDash writes a text, a dash for none.
func orDash(v any) string {
	if v == nil {
		return "–"
	}
	return asText(v)
}

func asText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func asInt(v any) int64 {
	n, _ := v.(int64)
	return n
}

// dwellText writes a number of seconds, a dash for none.
func dwellText(seconds any) string {
	if seconds == nil {
		return "–"
	}
	return lasting(time.Duration(asInt(seconds)) * time.Second)
}
