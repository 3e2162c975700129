package transform_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"leadsync/transform"
)

// This file is a second implementation of the data model, written from the
// contract alone and made to be read rather than to be fast. The differential
// tests hold the real one against it.

// row is an expected row: a value for every column that is not NULL. JSON
// columns hold compact JSON text.
type row struct {
	table   string
	columns map[string]any
}

// expected is what an event's bytes must become: rows, or a reason why not.
type expected struct {
	reason     string
	id         [16]byte
	occurredAt time.Time
	rows       []row
}

const (
	maxPayload = 10 << 20
	maxDepth   = 100
)

// The columns that hold a key as it is, by type. The key is the column's name
// but for mid and created_timestamp.
var (
	envelopeTexts = []string{"event_category", "event_type", "action_keyword"}
	dataTexts     = []string{
		"object_id", "object_name", "entity_id", "operator_id", "omni_user_uuid", "notes",
		"login_platform", "login_source_value", "login_source_type", "login_source_name", "login_environment",
		"business_type", "business_type_name", "business_unit", "owner", "life_status", "lead_omni_user_uuid",
		"former_owner", "former_owner_name", "from_leads_status", "to_leads_status", "from_life_status",
		"to_life_status", "from_lead_pool", "to_lead_pool", "target_object_id", "target_entity_id",
		"target_object_name",
	}
	dataInts  = []string{"operator_type", "scene_type"}
	dataBools = []string{"is_follow_up"}
	dataJSONs = []string{"mapping_data", "mapping_data_text", "entity_change_mapping", "timeline_data"}
)

// reference applies the data model to an event's bytes.
func reference(payload []byte, d transform.Delivery, zone *time.Location) expected {
	dead := func(reason string) expected { return expected{reason: reason} }
	if len(payload) > maxPayload {
		return dead("too_large")
	}
	if !jsontext.Value(payload).IsValid() {
		return dead("json_invalid")
	}
	root, err := parse(payload)
	if err != nil {
		panic(fmt.Sprintf("reference cannot read valid JSON: %v", err))
	}
	if root.depth() > maxDepth {
		return dead("json_too_deep")
	}
	if root.kind != object {
		return dead("not_an_object")
	}
	eventType, _ := asText(root.get("event_type"))
	if eventType == "" {
		return dead("event_type_missing")
	}
	tenant, _ := asText(root.get("mid"))
	if tenant == "" {
		return dead("tenant_missing")
	}
	occurredAt, reason := eventTime(root.get("create_time"), d.IngestedAt)
	if reason != "" {
		return dead(reason)
	}
	data := root.get("extra_data")
	switch {
	case data == nil, data.kind == null, data.kind == array && len(data.elems) == 0:
		data = &node{kind: object}
	case data.kind != object:
		return dead("extra_data_invalid")
	}

	id := identity(payload)
	delivered := deliveryColumns(d)
	event := eventColumns(root, data, zone)
	for name, v := range map[string]any{
		"event_id": hex.EncodeToString(id[:]), "sequence": sequence(occurredAt, eventType, d.PublishedAt, id),
		"occurred_at": occurredAt,
	} {
		event[name] = v
	}
	e := expected{id: id, occurredAt: occurredAt}
	e.rows = append(e.rows, row{"events_log", merged(event, delivered)})
	for _, t := range transitionColumns(data, event) {
		e.rows = append(e.rows, row{"transitions_log", merged(t, delivered)})
	}
	return e
}

// identity is the first 16 bytes of SHA-256 over the canonical JSON, with
// integers kept digit for digit.
func identity(payload []byte) [16]byte {
	canonical := jsontext.Value(slices.Clone(payload))
	if err := canonical.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		panic(fmt.Sprintf("reference cannot canonicalize valid JSON: %v", err))
	}
	sum := sha256.Sum256(canonical)
	return [16]byte(sum[:16])
}

var (
	digits  = regexp.MustCompile(`^[0-9]+$`)
	integer = regexp.MustCompile(`^-?[0-9]+$`) // leading zeros can only come in a string
	naive   = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)
	rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
)

func eventTime(v *node, now time.Time) (time.Time, string) {
	isInteger := v != nil && (v.kind == number && integer.MatchString(v.text) || v.kind == text && digits.MatchString(v.text))
	if !isInteger {
		return time.Time{}, "event_time_invalid"
	}
	seconds, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil {
		return time.Time{}, "event_time_out_of_range"
	}
	t := time.Unix(seconds, 0).UTC()
	now = now.Truncate(time.Second) // event times have no finer unit
	if seconds > 1<<40 || t.Before(now.AddDate(-10, 0, 0)) || t.After(now.AddDate(1, 0, 0)) {
		return time.Time{}, "event_time_out_of_range"
	}
	return t, ""
}

func sequence(at time.Time, eventType string, published time.Time, id [16]byte) string {
	rank := map[string]int{"add_omni_user_success": 0, "object_create": 1, "object_source_info": 2}
	r, known := rank[eventType]
	if !known {
		r = 3
	}
	var micros int64
	if !published.IsZero() {
		micros = published.UnixMicro()
	}
	return fmt.Sprintf("%016x/%02x/%016x/%x", at.Unix(), r, micros, id[:8])
}

func deliveryColumns(d transform.Delivery) map[string]any {
	c := map[string]any{"ingested_at": d.IngestedAt.UTC().Truncate(time.Microsecond), "ingest_source": d.Source}
	if d.MessageID != "" {
		c["message_id"] = d.MessageID
	}
	if !d.PublishedAt.IsZero() {
		c["published_at"] = d.PublishedAt.UTC().Truncate(time.Microsecond)
	}
	return c
}

// eventColumns returns the columns of events_log that are made from the
// event's keys.
func eventColumns(root, data *node, zone *time.Location) map[string]any {
	c := map[string]any{}
	held := map[string]bool{"create_time": true, "extra_data": true} // by key
	tenant, fits := asText(root.get("mid"))
	hold(c, held, "tenant_id", "mid", tenant, fits)
	for _, key := range envelopeTexts {
		s, fits := asText(root.get(key))
		hold(c, held, key, key, s, fits)
	}
	extra := &node{kind: object}
	if rest := without(root, held); len(rest.keys) > 0 {
		extra.set("envelope", rest)
	}

	held = map[string]bool{}
	for _, key := range dataTexts {
		s, fits := asText(data.get(key))
		hold(c, held, key, key, s, fits)
	}
	for _, key := range dataInts {
		i, fits := asInt(data.get(key))
		hold(c, held, key, key, i, fits)
	}
	for _, key := range dataBools {
		b, fits := asBool(data.get(key))
		hold(c, held, key, key, b, fits)
	}
	created, fits := asTime(data.get("created_timestamp"), zone)
	hold(c, held, "entity_created_at", "created_timestamp", created, fits)
	members, fits := asList(data.get("members"))
	hold(c, held, "members", "members", members, fits)
	for _, key := range dataJSONs {
		held[key] = true
		if v := data.get(key); v != nil && v.kind != null {
			c[key] = v.storable().String()
		}
	}
	for _, key := range dataTexts {
		if strings.HasPrefix(key, "login_") && c[key] == nil {
			if s, _ := asText(data.get("timeline_data").get(key)); s != "" {
				c[key] = s
			}
		}
	}
	if rest := without(data, held); len(rest.keys) > 0 {
		extra.set("extra_data", rest)
	}
	if len(extra.keys) > 0 {
		c["extra"] = extra.storable().String()
	}
	if changes := fieldChanges(data); changes != nil && c["entity_id"] != nil {
		c["changes"] = changes
	}
	return c
}

// hold puts a key's value into its column, unless it is empty or does not fit;
// what does not fit is not held.
func hold(c map[string]any, held map[string]bool, column, key string, v any, fits bool) {
	held[key] = fits
	list, isList := v.([]string)
	if fits && v != nil && v != "" && (!isList || len(list) > 0) {
		c[column] = v
	}
}

func without(o *node, held map[string]bool) *node {
	rest := &node{kind: object}
	for i, key := range o.keys {
		if !held[key] {
			rest.set(key, o.elems[i])
		}
	}
	return rest
}

func merged(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

func asText(v *node) (s string, fits bool) {
	switch {
	case v == nil || v.kind == null:
		return "", true
	case v.kind == array || v.kind == object:
		return "", false
	default:
		return v.text, true
	}
}

func asInt(v *node) (i any, fits bool) {
	switch {
	case v.empty():
		return nil, true
	case (v.kind == number || v.kind == text) && integer.MatchString(v.text):
		n, err := strconv.ParseInt(v.text, 10, 64)
		return n, err == nil
	default:
		return nil, false
	}
}

func asBool(v *node) (b any, fits bool) {
	switch {
	case v.empty():
		return nil, true
	case v.kind == array || v.kind == object:
		return nil, false
	case v.text == "true" || v.text == "1":
		return true, true
	case v.text == "false" || v.text == "0":
		return false, true
	default:
		return nil, false
	}
}

func asTime(v *node, zone *time.Location) (t any, fits bool) {
	if v.empty() {
		return nil, true
	}
	if v.kind != number && v.kind != text {
		return nil, false
	}
	var at time.Time
	var err error
	switch {
	case integer.MatchString(v.text):
		var seconds int64
		seconds, err = strconv.ParseInt(v.text, 10, 64)
		if seconds < -1<<40 || seconds > 1<<40 {
			return nil, false
		}
		at = time.Unix(seconds, 0)
	case v.kind == text && naive.MatchString(v.text):
		at, err = time.ParseInLocation(time.DateTime, v.text, zone)
	case v.kind == text && rfc3339.MatchString(v.text):
		at, err = time.Parse(time.RFC3339Nano, v.text)
	default:
		return nil, false
	}
	// The first instant of year 1 is some systems' way to say that there is no
	// date; it is kept in extra.
	if year := at.UTC().Year(); err != nil || at.IsZero() || year < 1 || year > 9999 {
		return nil, false
	}
	return time.UnixMicro(at.UnixMicro()).UTC(), true
}

// asList reads members: one uuid, a comma-separated list or an array.
func asList(v *node) (list []string, fits bool) {
	switch {
	case v == nil || v.kind == null:
	case v.kind == object:
		return nil, false
	case v.kind == array:
		for _, e := range v.elems {
			s, fits := asText(e)
			if !fits {
				return nil, false
			}
			if s != "" {
				list = append(list, s)
			}
		}
	default:
		for piece := range strings.SplitSeq(v.text, ",") {
			if piece = strings.TrimSpace(piece); piece != "" {
				list = append(list, piece)
			}
		}
		if list == nil && v.text != "" {
			return nil, false // commas and spaces only: no member, but not empty either
		}
	}
	return list, true
}
