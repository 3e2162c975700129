package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A lookup asks the warehouse about an id: a bounded number of questions,
// however many events there are.
type lookup struct {
	warehouse sinks.Warehouse
	dialect   sinks.Dialect
	zone      *time.Location
	limit     int // events to tell of
}

// A subject is an entity that was found, or one event: what questions are
// about.
type subject struct {
	Tenant, Object, Entity string // "" is NULL
	Event                  string // "" for all of the entity's
	From, To               string // instants
	Limit                  int
	Columns                []string // to be read of events_log
}

// maxTransitions bounds how much of an entity's story is read, in rows.
const maxTransitions = 10_000

// A record is a row of a result by the names of its columns.
type record map[string]any

func (r record) text(column string) string { return asText(r[column]) }

// number returns a whole number. A sum may come as its text.
func (r record) number(column string) int64 {
	if s, ok := r[column].(string); ok {
		n, _ := strconv.ParseInt(s, 10, 64) // 0 for what is none
		return n
	}
	return asInt(r[column])
}

func (r record) flag(column string) bool { return r[column] == true }

// instant returns the zero time for NULL.
func (r record) instant(column string) time.Time {
	t, _ := r[column].(time.Time)
	return t.UTC()
}

// optional returns nil for NULL.
func (r record) optional(column string) *string {
	s, ok := r[column].(string)
	if !ok {
		return nil
	}
	return &s
}

func (r record) optionalTime(column string) *time.Time {
	t, ok := r[column].(time.Time)
	if !ok {
		return nil
	}
	t = t.UTC()
	return &t
}

// ask returns the result of a statement.
func (l *lookup) ask(ctx context.Context, statement string, data any) (rows []record, err error) {
	var names []string
	err = l.warehouse.Query(ctx, sinks.Statement(l.dialect, statement, data),
		func(columns []string) error {
			names = append(names, columns...)
			return nil
		},
		func(values []any) error {
			r := make(record, len(names))
			for i, v := range values {
				r[names[i]] = v
			}
			rows = append(rows, r)
			return nil
		})
	return rows, err
}

// explained says of a failure whether it comes from tables or views that are
// missing.
func (l *lookup) explained(ctx context.Context, err error) error {
	plan, planErr := l.warehouse.Plan(ctx)
	if planErr != nil {
		return err
	}
	for _, change := range plan {
		if kind, name, _ := strings.Cut(change.Object, " "); change.Action == "create" && (kind != "view" || name == "transitions" || name == "dim_values" || name == "dead_letter_status") {
			return fmt.Errorf("the warehouse lacks %s: run leadsync schema apply first", change.Object)
		}
	}
	return err
}

// sqlInstant writes an instant for the dialect's literal.
func sqlInstant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// find returns the subjects that have the id: as their entity_id, or else as
// the event_id or message_id of an event. An id that looks like an event's is
// looked for in the other order.
func (l *lookup) find(ctx context.Context, id string) (found []record, isEntity bool, err error) {
	isEntity = !isEventID(id)
	for range 2 {
		found, err = l.ask(ctx, "explain_find", map[string]any{"ID": id, "Entity": isEntity})
		if err != nil || len(found) > 0 {
			return found, isEntity, err
		}
		isEntity = !isEntity
	}
	return nil, false, nil
}

// columns are those of events_log that hold what was in an event.
func columns() (names []string) {
	for _, c := range transform.EventsLog.Table().Columns {
		if c.Source != "" || c.Name == "extra" {
			names = append(names, c.Name)
		}
	}
	return names
}

// erasedAt returns when an entity was erased, nil if it was not.
func (l *lookup) erasedAt(ctx context.Context, entity string) (*time.Time, error) {
	if entity == "" {
		return nil, nil
	}
	rows, err := l.ask(ctx, "erased_at", map[string]any{"Digest": transform.DigestEntity(entity).String()})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].optionalTime("erased_at"), nil
}
