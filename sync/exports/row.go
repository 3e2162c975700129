package exports

import (
	"encoding/hex"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"leadsync/transform"
)

// columns are those of events_log by their names, the promoted ones too.
var columns = sync.OnceValue(func() map[string]*transform.Column {
	byName := make(map[string]*transform.Column)
	list := transform.EventsLog.Table().Columns
	for i := range list {
		byName[list[i].Name] = &list[i]
	}
	return byName
})

// A row is the values of a row's columns as [transform.Rebuild] takes them.
// NULL is left out.
type row map[string]any

// event makes the row's event again; ok is false where the row has not what
// every row has.
func (r row) event() (e Event, ok bool) {
	for _, name := range [...]string{"event_id", "tenant_id", "event_type"} {
		if s, _ := r[name].(string); s == "" {
			return e, false
		}
	}
	id, err := hex.DecodeString(r["event_id"].(string)) //nolint:forcetypeassert // as seen above
	if _, ok := r["occurred_at"].(time.Time); !ok || err != nil || len(id) != len(e.EventID) {
		return e, false
	}
	if e.Data, err = transform.Rebuild(func(column string) any { return r[column] }); err != nil {
		return e, false
	}
	e.EventID = [16]byte(id)
	e.MessageID, _ = r["message_id"].(string)
	e.PublishedAt, _ = r["published_at"].(time.Time)
	return e, true
}

// fromRow makes the event of a row again, which is a valid JSON text. ok is
// false where it is none of ours: it has a value that its column cannot have,
// or a column that is not known here, for example one that was promoted there.
func fromRow(src []byte) (e Event, ok bool) {
	r, whole := make(row, 32), false
	texts := make(map[string][]byte, 5) // of the JSON columns
	ok = members(src, func(key, value []byte) bool {
		c := columns()[string(key)]
		switch {
		case isNull(value) || string(key) == "changes": // which are made of mapping_data again
			return true
		case c == nil:
			return false
		case c.Type == transform.JSON:
			texts[c.Name] = value
			whole = whole || value[0] != '"'
			return true
		default:
			v, held := cell(c, value)
			r[c.Name] = v
			return held
		}
	})
	for key, value := range texts {
		v, held := document(value, whole)
		r[key] = v
		ok = ok && held
	}
	if !ok {
		return e, false
	}
	return r.event()
}

// cell reads the value of a column that is not JSON.
func cell(c *transform.Column, value []byte) (v any, ok bool) {
	if c.Mode == transform.Repeated {
		var list []string
		ok = elements(value, func(value []byte) bool {
			s, isText := text(value)
			list = append(list, string(s))
			return isText
		})
		return list, ok
	}
	s, isText := text(value)
	switch c.Type {
	case transform.String:
		return string(s), isText
	case transform.Timestamp:
		return instant(value)
	}
	if !isText {
		s = value
	}
	if c.Type == transform.Bool {
		return string(s) == "true", string(s) == "true" || string(s) == "false"
	}
	n, err := strconv.ParseInt(string(s), 10, 64)
	return n, err == nil
}

// document returns the text of a JSON column, which BigQuery exports as a
// string of it and DuckDB as the value itself. whole says that other columns of
// the row are values, so that a string is one too. It may also be one where it
// cannot be the text of an array or object.
func document(value []byte, whole bool) (v any, ok bool) {
	s, isText := text(value)
	if !isText || whole {
		return string(value), true
	}
	if jsontext.Value(s).IsValid() {
		return string(s), true
	}
	return string(value), len(s) == 0 || s[0] != '{' && s[0] != '[' && s[0] != '"'
}
