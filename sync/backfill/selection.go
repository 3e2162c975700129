package backfill

import (
	"encoding/json"
	"slices"
	"time"

	"leadsync/transform"
)

// A Selection says which events are wanted; the zero value wants all.
type Selection struct {
	Since, Until time.Time // of when they occurred, Until not included; zero: no bound
	EventTypes   []string  // nil: all
	Tenants      []string  // nil: all
}

// String returns the selection in words that are the same for the same
// selection; "" wants everything.
func (s Selection) String() string {
	text := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	sorted := func(list []string) []string {
		list = slices.Clone(list)
		slices.Sort(list)
		return slices.Compact(list)
	}
	b, err := json.Marshal(struct {
		Since   string   `json:"since,omitempty"`
		Until   string   `json:"until,omitempty"`
		Types   []string `json:"event_types,omitempty"`
		Tenants []string `json:"tenants,omitempty"`
	}{text(s.Since), text(s.Until), sorted(s.EventTypes), sorted(s.Tenants)})
	if err != nil {
		panic(err) // texts only
	}
	if string(b) == "{}" {
		return ""
	}
	return string(b)
}

// wants returns what the pipeline asks about each event, nil if all are wanted.
func (s Selection) wants() func(*transform.Event) bool {
	if s.String() == "" {
		return nil
	}
	types, tenants := set(s.EventTypes), set(s.Tenants)
	return func(e *transform.Event) bool {
		return (s.Since.IsZero() || !e.OccurredAt.Before(s.Since)) &&
			(s.Until.IsZero() || e.OccurredAt.Before(s.Until)) &&
			in(types, e.Type) && in(tenants, e.Tenant)
	}
}

func set(list []string) map[string]struct{} {
	m := make(map[string]struct{}, len(list))
	for _, s := range list {
		m[s] = struct{}{}
	}
	return m
}

// in reports whether the set has the text, or is empty.
func in(set map[string]struct{}, text []byte) bool {
	_, ok := set[string(text)] // copies nothing
	return ok || len(set) == 0
}
