package bqtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	rest "google.golang.org/api/bigquery/v2"
)

// loadRow turns a line into a row's values, or says why the table cannot take
// it. Errors quote values, as the service's do.
func loadRow(columns []*rest.TableFieldSchema, line []byte) (map[string]any, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("invalid UTF-8")
	}
	return loadRecord(columns, line, "")
}

func loadRecord(columns []*rest.TableFieldSchema, text []byte, path string) (map[string]any, error) {
	fields, err := objectFields(text)
	if err != nil {
		return nil, fmt.Errorf("parser terminated before end of string; field %s: %w", path, err)
	}
	values := make(map[string]any, len(fields))
	for name, raw := range fields {
		c := findColumn(columns, name)
		if c == nil {
			return nil, fmt.Errorf("no such field: %s%s", path, name)
		}
		if string(raw) == "null" {
			continue // NULL, in a JSON column too; or no elements
		}
		v, err := loadColumn(c, raw, path+c.Name)
		if err != nil {
			return nil, err
		}
		if _, twice := values[c.Name]; twice {
			return nil, fmt.Errorf("field %s%s: twice", path, c.Name)
		}
		if list, ok := v.([]any); ok && len(list) == 0 {
			continue
		}
		values[c.Name] = v
	}
	for _, c := range columns {
		if _, ok := values[c.Name]; !ok && c.Mode == "REQUIRED" {
			return nil, fmt.Errorf("missing required fields: %s%s", path, c.Name)
		}
	}
	return values, nil
}

// objectFields takes a JSON object apart. Keys may not come twice.
func objectFields(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // the decoder takes nothing else for a key
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("key %q twice", name)
		}
		fields[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return fields, nil
}

func loadColumn(c *rest.TableFieldSchema, raw json.RawMessage, at string) (any, error) {
	if c.Mode != "REPEATED" {
		return loadValue(c, raw, at)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("array specified for non-repeated field or no array for a repeated one: %s", at)
	}
	items := make([]any, len(list))
	for i, element := range list {
		if string(element) == "null" {
			return nil, fmt.Errorf("only optional fields can be set to NULL. Field: %s; Value: NULL", at)
		}
		v, err := loadValue(c, element, at)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return items, nil
}

// loadValue returns one value of a column. Where the service converts between
// types only the forms are taken that keep every value.
func loadValue(c *rest.TableFieldSchema, raw json.RawMessage, at string) (any, error) {
	misfit := func(kind string) error {
		return fmt.Errorf("couldn't convert value to %s. Field: %s; Value: %s", kind, at, raw)
	}
	switch c.Type {
	case "RECORD":
		return loadRecord(c.Fields, raw, at+".")
	case "JSON":
		if err := checkJSON(string(raw)); err != nil {
			return nil, fmt.Errorf("field %s: invalid JSON: %w", at, err)
		}
		return string(raw), nil
	case "BOOLEAN":
		var v bool
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, misfit("boolean")
		}
		return v, nil
	case "INTEGER":
		return loadInteger(raw, misfit)
	case "FLOAT":
		var v float64
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, misfit("float")
		}
		return v, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, misfit(strings.ToLower(c.Type))
	}
	switch c.Type {
	case "STRING":
		return text, nil
	case "BYTES":
		v, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("could not decode base64 string to bytes. Field: %s; Value: %s", at, text)
		}
		return v, nil
	case "TIMESTAMP":
		v, err := loadTimestamp(text)
		if err != nil {
			return nil, fmt.Errorf("couldn't convert value to timestamp: Could not parse '%s' as a timestamp. Required format is YYYY-MM-DD HH:MM[:SS[.SSSSSS]] or YYYY/MM/DD HH:MM[:SS[.SSSSSS]]. Field: %s; Value: %s", text, at, text)
		}
		return v, nil
	default:
		return nil, fmt.Errorf("field %s: type %s is not loaded by this stand-in", at, c.Type)
	}
}

// loadInteger takes a number that is exact as a FLOAT64, too, and any INT64 as
// a string: a larger number may not come through whole.
func loadInteger(raw json.RawMessage, misfit func(string) error) (any, error) {
	text := string(raw)
	var quoted string
	isText := json.Unmarshal(raw, &quoted) == nil
	if isText {
		text = quoted
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !isText && (v > 1<<53-1 || v < -1<<53+1) {
		return nil, misfit("integer")
	}
	return v, nil
}

var timestamp = regexp.MustCompile(`^(\d{4})[-/](\d\d?)[-/](\d\d?)(?:[ Tt](\d\d?):(\d\d?)(?::(\d\d?)(?:\.(\d{1,6}))?)?)?(?: ?(UTC|[Zz])|([+-])(\d\d?):?(\d\d)?)?$`)

// loadTimestamp reads the service's forms of a TIMESTAMP but for names of
// zones other than UTC.
func loadTimestamp(text string) (time.Time, error) {
	m := timestamp.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, errors.New("no timestamp")
	}
	n := func(i int) int {
		v, _ := strconv.Atoi(m[i]) // "" is 0
		return v
	}
	micros, _ := strconv.Atoi((m[7] + "000000")[:6])
	zone := n(10)*3600 + n(11)*60
	if m[9] == "-" {
		zone = -zone
	}
	t := time.Date(n(1), time.Month(n(2)), n(3), n(4), n(5), n(6), micros*1000, time.UTC)
	if t.Day() != n(3) || int(t.Month()) != n(2) || t.Hour() != n(4) || t.Minute() != n(5) || t.Second() != n(6) || zone > 14*3600 || zone < -14*3600 {
		return time.Time{}, errors.New("no such day or time")
	}
	t = t.Add(-time.Duration(zone) * time.Second)
	if t.UnixMicro() < minTimestamp || t.UnixMicro() > maxTimestamp {
		return time.Time{}, errors.New("out of range")
	}
	return t, nil
}
