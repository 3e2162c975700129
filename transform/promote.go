package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxPromoted is how many fields can be promoted.
const MaxPromoted = 64

// maxKey is the length of the longest key that can be promoted, in bytes. A
// column's name in BigQuery has at most 300 characters.
const maxKey = 256

// A Field is a key of the source.
type Field struct {
	Part Part
	Key  string
}

// ParseField reads a field as settings and people write it: a key of
// extra_data, with or without "extra_data." before it, or a key of the
// envelope after "envelope.". The error says what is wrong with it; a key
// that a column holds is found by [Promote].
func ParseField(s string) (Field, error) {
	f := Field{Part: ExtraData, Key: s}
	for part := range numParts {
		if key, ok := strings.CutPrefix(s, part.String()+"."); ok {
			f = Field{part, key}
		}
	}
	switch {
	case f.Key == "":
		return f, errors.New("it names no key")
	case len(f.Key) > maxKey:
		return f, fmt.Errorf("its key is above %d bytes", maxKey)
	case !utf8.ValidString(f.Key) || strings.ContainsFunc(f.Key, unicode.IsControl):
		return f, errors.New("its key has control characters or is not UTF-8")
	case strings.Contains(f.Key, ","):
		return f, errors.New("its key has a comma, which separates fields in PROMOTED_FIELDS")
	case f.Key != strings.TrimSpace(f.Key):
		return f, errors.New("its key has space around it, which PROMOTED_FIELDS cannot tell")
	case !strings.ContainsFunc(f.Key, func(r rune) bool { return r != '_' && inName(r) }):
		return f, errors.New("no letter of a to z and no digit is in its key, so no column can be named for it")
	}
	name := strings.ToLower(f.Column())
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(name, prefix) {
			return f, fmt.Errorf("its column would be %s, and BigQuery keeps names that begin with %s for itself", f.Column(), prefix)
		}
	}
	return f, nil
}

// reservedPrefixes are those of columns that BigQuery refuses, in lower case.
var reservedPrefixes = []string{
	"_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier",
	"_change_sequence_number", "_change_type", "_change_timestamp",
}

// String returns the field with its part: "extra_data.score".
func (f Field) String() string { return f.Part.String() + "." + f.Key }

// Column returns the name of the field's column: its key, with _ for what is
// no letter of a to z, no digit and no _, and with a _ before a digit at its
// beginning and after a word that SQL keeps for itself.
func (f Field) Column() string {
	name := strings.Map(func(r rune) rune {
		if inName(r) {
			return r
		}
		return '_'
	}, f.Key)
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	if slices.Contains(reservedWords, strings.ToLower(name)) {
		name += "_"
	}
	return name
}

func inName(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// Promote gives fields of the source, written as [ParseField] reads them,
// columns of their own at the end of events_log: NULLABLE, STRING, named as
// [Field.Column] says. The value goes there and no longer to extra: the text
// of a string, the literal of a number or boolean; null and "" are NULL, and
// what is none of these stays in extra.
//
// It changes the one definition that everything else is made from. So call it
// at the program's start, before anything else of this package is used, and
// never concurrently with it; without fields it does nothing, at any time. The
// error names the field that cannot be promoted; nothing was changed then.
func Promote(fields ...string) error {
	if len(fields) == 0 {
		return nil
	}
	cols := tables[EventsLog].Columns
	promoted := make(map[int]Field)
	for _, s := range fields {
		f, err := ParseField(s)
		if err == nil {
			err = f.free(cols)
		}
		if err != nil {
			return fmt.Errorf("promote field %q: %w", s, err)
		}
		promoted[len(cols)] = f
		cols = append(cols, f.column())
	}
	if len(cols) > maxEventColumns {
		return fmt.Errorf("promote %d fields: at most %d can be", len(cols)-numEventColumns, MaxPromoted)
	}
	for i, f := range promoted {
		eventColumns[i].envelope = f.Part == Envelope
		f.columns()[f.Key] = i
	}
	tables[EventsLog].Columns = cols
	keys = newKeyTable()
	return nil
}

// free returns an error if a column holds the field already, or has its name.
func (f Field) free(cols []Column) error {
	if i, ok := f.columns()[f.Key]; ok {
		return fmt.Errorf("column %s holds it", tables[EventsLog].Columns[i].Name)
	}
	if f.Part == Envelope && (f.Key == "create_time" || f.Key == "extra_data") {
		return errors.New("it is no field but what an event is made of")
	}
	for _, c := range cols {
		if strings.EqualFold(c.Name, f.Column()) {
			return fmt.Errorf("events_log has a column %s already", c.Name)
		}
	}
	return nil
}

// columns gives the columns that hold keys of the field's part.
func (f Field) columns() map[string]int {
	if f.Part == Envelope {
		return envelopeColumns
	}
	return extraDataColumns
}

func (f Field) column() Column {
	c := Column{
		Name: f.Column(), Type: String, Source: f.Key,
		Description: fmt.Sprintf("The source's field %s as text, in a column of its own by the setting PROMOTED_FIELDS.", f),
	}
	if f.Part == ExtraData {
		c.Source = f.String()
	}
	return c
}

// reservedWords are what cannot stand for a column without quotes in the SQL
// of one warehouse or the other, because it is a keyword or a function that
// is called without parentheses. c is what the views call an element of
// changes.
var reservedWords = strings.Fields(`
	c
	all analyse analyze and anti any array as asc asof assert_rows_modified asymmetric at authorization
	between binary both by
	case cast check collate collation column columns concurrently constraint contains create cross cube
	current current_catalog current_date current_datetime current_role current_schema current_time current_timestamp current_user
	default deferrable define desc describe distinct do
	else end enum escape except exclude exists extract
	false fetch following for foreign freeze from full
	generated glob graph_table group grouping groups
	hash having
	if ignore ilike in initially inner intersect interval into is isnull
	join lambda lateral leading left like limit localtime localtimestamp lookup
	map match_recognize merge
	natural new no not notnull null nulls
	of offset on only or order outer over overlaps
	partition pivot pivot_longer pivot_wider placing positional preceding primary proto
	qualify
	range recursive references respect returning right rollup row rows
	select semi session_user set show similar some struct summarize symmetric
	table tablesample then to trailing treat true try_cast
	unbounded union unique unnest unpack unpivot user using
	variadic verbose
	when where window with within
`)
