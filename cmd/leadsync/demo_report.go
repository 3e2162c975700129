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
	labels    map[string]string // of values of any dimension, "dimension value"
}

// sourceZone is the zone in which the demo shows times: that of the source.
var sourceZone = time.FixedZone("UTC+8", 8*60*60)

// print prints the whole report and compares it with the truth.
func (r *demoReport) print(ctx context.Context, c *demoCommand, truth simulate.Truth, redelivered int64) error {
	fmt.Fprintf(r.w, "Tenant %s (seed %d), 90 days up to %s: %s events, %s copies of them, %s poisoned messages\n\n", simulate.TenantID, c.Seed,
		c.Day.Format(time.DateOnly), grouped(int64(truth.Events)), grouped(int64(truth.Copies)), grouped(int64(truth.Dead())))
	if err := r.readLabels(ctx); err != nil {
		return err
	}
	if err := r.funnel(ctx); err != nil {
		return err
	}
	if err := r.story(ctx); err != nil {
		return err
	}
	return r.ledger(ctx, truth, redelivered)
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

// readLabels reads the names of owners, stages, pools and statuses: an event
// may come without those of its own values.
func (r *demoReport) readLabels(ctx context.Context) error {
	rows, err := r.rows(ctx, `
		SELECT dimension, value, MAX(label) FROM (
			SELECT dimension, to_value AS value, to_label AS label FROM transitions
			UNION ALL
			SELECT dimension, from_value, from_label FROM transitions
		) AS ends
		WHERE label IS NOT NULL GROUP BY dimension, value`)
	r.labels = make(map[string]string, len(rows))
	for _, row := range rows {
		r.labels[asText(row[0])+" "+asText(row[1])] = asText(row[2])
	}
	return err
}

// label returns the name of a value of a dimension, a dash for none.
func (r *demoReport) label(dimension string, value any) string {
	if value == nil {
		return "–"
	}
	if label, ok := r.labels[dimension+" "+asText(value)]; ok {
		return label
	}
	return asText(value)
}

// funnel prints how leads pass through the stages. Its conversion is the
// share of entries that went on to a later stage that is not lost.
func (r *demoReport) funnel(ctx context.Context) error {
	rows, err := r.rows(ctx, fmt.Sprintf(`
		WITH stays AS (
			SELECT
				to_life_status AS stage, exited_at, dwell_seconds, is_current,
				LEAD(to_life_status) OVER (PARTITION BY tenant_id, entity_id ORDER BY occurred_at, exited_at NULLS LAST) AS next_stage,
				['%s'] AS stages
			FROM life_status_transitions
			WHERE object_name = 'lead'
		)
		SELECT
			stage, COUNT(*), COUNT(exited_at), COUNT(*) FILTER (is_current),
			COUNT(*) FILTER (next_stage <> '%s' AND LIST_POSITION(stages, next_stage) > LIST_POSITION(stages, stage)),
			CAST(MEDIAN(dwell_seconds) AS BIGINT)
		FROM stays
		WHERE stage IS NOT NULL
		GROUP BY stage, stages
		ORDER BY LIST_POSITION(stages, stage)`, strings.Join(simulate.Stages(), "', '"), simulate.Lost))
	if err != nil {
		return err
	}
	cells := [][]string{{"stage", "", "entries", "exits", "there now", "conversion", "median dwell"}}
	for _, row := range rows {
		entries, exits := asInt(row[1]), asInt(row[2])
		conversion := "–"
		if exits > 0 {
			conversion = fmt.Sprintf("%.1f %%", 100*float64(asInt(row[4]))/float64(entries))
		}
		cells = append(cells, []string{r.label("life_status", row[0]), asText(row[0]),
			grouped(entries), grouped(exits), grouped(asInt(row[3])), conversion, dwellText(row[5])})
	}
	fmt.Fprintf(r.w, "The funnel\n\n")
	return printColumns(r.w, cells, 2, 3, 4, 5, 6)
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
			(SELECT name FROM leads WHERE entity_id = chosen.entity_id), occurred_at, dimension, from_value, to_value, reason, operator_type, operator_id,
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
			cells = tellAgain(cells, dimension, r.label(dimension, row[4]))
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
			r.label(dimension, row[3]), r.label(dimension, row[4]), why, whoActed(row[6], row[7]), stayed, remark})
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
