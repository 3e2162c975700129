package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"leadsync/sync/simulate"
)

// views prints three of the views for people.
func (r *demoReport) views(ctx context.Context) error {
	for _, section := range []func(context.Context) error{r.workload, r.pools, r.funnel} {
		if err := section(ctx); err != nil {
			return err
		}
	}
	return nil
}

// workload prints who has most leads.
func (r *demoReport) workload(ctx context.Context) error {
	rows, err := r.rows(ctx, `
		SELECT owner_label, leads, last_gained_at, median_seconds_held
		FROM owner_workload ORDER BY leads DESC, owner LIMIT 5`)
	if err != nil {
		return err
	}
	cells := [][]string{{"owner", "leads now", "latest came (UTC+8)", "kept for (median)"}}
	for _, row := range rows {
		latest := "–"
		if at, ok := row[2].(time.Time); ok {
			latest = at.In(sourceZone).Format(time.DateTime)
		}
		cells = append(cells, []string{asText(row[0]), grouped(asInt(row[1])), latest, dwellText(row[3])})
	}
	fmt.Fprintf(r.w, "\nThe view owner_workload, its first five\n\n")
	return printColumns(r.w, cells, 1, 3)
}

// pools prints the latest days of the lead pools.
func (r *demoReport) pools(ctx context.Context) error {
	rows, err := r.rows(ctx, `
		SELECT day, lead_pool_label, leads_in, leads_out, net, leads_at_end
		FROM pool_flow ORDER BY day DESC, lead_pool LIMIT 5`)
	if err != nil {
		return err
	}
	cells := [][]string{{"day", "pool", "in", "out", "net", "there at the end"}}
	for _, row := range rows {
		cells = append(cells, []string{asText(row[0]), asText(row[1]),
			grouped(asInt(row[2])), grouped(asInt(row[3])), fmt.Sprintf("%+d", asInt(row[4])), grouped(asInt(row[5]))})
	}
	fmt.Fprintf(r.w, "\nThe view pool_flow, its latest days\n\n")
	return printColumns(r.w, cells, 2, 3, 4, 5)
}

// funnel prints how leads pass through the stages.
func (r *demoReport) funnel(ctx context.Context) error {
	rows, err := r.rows(ctx, fmt.Sprintf(`
		WITH stages AS (
			SELECT
				life_status, MAX(life_status_label) AS label,
				CAST(SUM(entries) AS BIGINT) AS entries, CAST(SUM(exits) AS BIGINT) AS exits,
				CAST(SUM(converted) AS BIGINT) AS converted
			FROM funnel_daily GROUP BY life_status
		)
		SELECT life_status, label, entries, exits, converted, median_seconds
		FROM stages LEFT JOIN stage_durations USING (life_status)
		ORDER BY LIST_POSITION(['%s'], life_status)`, strings.Join(simulate.Stages(), "', '")))
	if err != nil {
		return err
	}
	cells := [][]string{{"stage", "", "entries", "exits", "there now", "moved on", "median stay"}}
	for _, row := range rows {
		entries, exits := asInt(row[2]), asInt(row[3])
		moved := "–"
		if exits > 0 {
			moved = fmt.Sprintf("%.1f %%", 100*float64(asInt(row[4]))/float64(entries))
		}
		cells = append(cells, []string{asText(row[1]), asText(row[0]),
			grouped(entries), grouped(exits), grouped(entries - exits), moved, dwellText(row[5])})
	}
	fmt.Fprintf(r.w, "\nThe funnel: the view funnel_daily summed up, with stage_durations\n\n")
	return printColumns(r.w, cells, 2, 3, 4, 5, 6)
}
