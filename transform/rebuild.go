package transform

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Rebuild returns an event that becomes the same rows as the one whose row of
// events_log has these values, but for its identity: the source's keys are
// gone, what they said is there. A number that a JSON column keeps as a string
// stays one, which shows only where a value is a whole array as text. value
// returns a column's value: nil for NULL, else string (JSON's text too), int64,
// bool, [time.Time], []string or []any.
//
// It serves to ask the rules about an event whose bytes are no longer there.
func Rebuild(value func(column string) any) ([]byte, error) {
	spare, err := keptKeys(value("extra"))
	if err != nil {
		return nil, err
	}
	var parts [numParts][]byte
	for i, c := range tables[EventsLog].Columns {
		part, key := Envelope, c.Source
		if !eventColumns[i].envelope {
			part, key = ExtraData, strings.TrimPrefix(c.Source, "extra_data.")
		}
		v := value(c.Name)
		if v == nil || key == "" || spare[part].keys[key] {
			continue
		}
		member, err := appendMemberOf(parts[part], &tables[EventsLog].Columns[i], key, v)
		if err != nil {
			return nil, fmt.Errorf("rebuild event: %w", err)
		}
		parts[part] = member
	}
	for part := range parts {
		parts[part] = joinMembers(parts[part], spare[part].members)
	}
	out := append([]byte{'{'}, parts[Envelope]...)
	out = append(out, `,"extra_data":{`...)
	out = append(out, parts[ExtraData]...)
	return append(out, "}}"...), nil
}

// A keptPart is the keys of one part of extra and their members as text.
type keptPart struct {
	keys    map[string]bool
	members []byte
}

// keptKeys reads the column extra, which may be one level deeper than an event.
func keptKeys(extra any) (parts [numParts]keptPart, err error) {
	src, _ := extra.(string)
	if src == "" {
		return parts, nil
	}
	dec := jsontext.NewDecoder(strings.NewReader(src))
	err = readObject(dec, func(name string) error {
		p := &parts[Envelope]
		if name == ExtraData.String() {
			p = &parts[ExtraData]
		}
		p.keys = make(map[string]bool)
		return readObject(dec, func(key string) error {
			p.keys[key] = true
			v, err := dec.ReadValue()
			p.members = appendKey(p.members, key)
			p.members = append(p.members, v...)
			return err
		})
	})
	if err != nil {
		return parts, fmt.Errorf("rebuild event: column extra is not as it is written here")
	}
	return parts, nil
}

// readObject reads an object; value reads that of each key.
func readObject(dec *jsontext.Decoder, value func(key string) error) error {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return errors.Join(err, errNoObject)
	}
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := value(key.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

var errNoObject = errors.New("not an object")

// appendKey appends a key to the members of an object.
func appendKey(dst []byte, key string) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	return append(appendString(dst, []byte(key)), ':')
}

// appendMemberOf appends a key with the column's value.
func appendMemberOf(dst []byte, c *Column, key string, v any) ([]byte, error) {
	dst = appendKey(dst, key)
	switch v := v.(type) {
	case string:
		if c.Type == JSON {
			return append(dst, v...), nil
		}
		return appendString(dst, []byte(v)), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case time.Time:
		if c.Name == "occurred_at" {
			return strconv.AppendInt(dst, v.Unix(), 10), nil
		}
		return appendString(dst, []byte(v.UTC().Format(time.RFC3339Nano))), nil
	case []string:
		return appendStrings(dst, v), nil
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i], _ = v[i].(string)
		}
		return appendStrings(dst, list), nil
	default:
		return nil, fmt.Errorf("column %s: unexpected %T", c.Name, v)
	}
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, []byte(s))
	}
	return append(dst, ']')
}

func joinMembers(a, b []byte) []byte {
	if len(a) > 0 && len(b) > 0 {
		a = append(a, ',')
	}
	return append(a, b...)
}
