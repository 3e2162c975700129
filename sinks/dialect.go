package sinks

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
)

// A Dialect is what the warehouses' SQL differs in, as far as the views need
// it. Everything else in the views is written so that every warehouse reads
// it alike. The functions take and give SQL expressions.
type Dialect struct {
	// Relation names a table or view of ours, quoted and qualified.
	Relation func(name string) string
	// Now is the present instant.
	Now string
	// Seconds is the whole seconds between two instants.
	Seconds func(from, to string) string
	// Milliseconds is the whole milliseconds between two instants.
	Milliseconds func(from, to string) string
	// Second is the beginning of an instant's second.
	Second func(instant string) string
	// Minute is the beginning of an instant's minute.
	Minute func(instant string) string
	// EachSecond is the list of the seconds from one instant to another, each
	// by its beginning.
	EachSecond func(from, to string) string
	// Day is the date of an instant in the source's time zone.
	Day func(instant string) string
	// DayUTC is the date of an instant in UTC, by which tables are partitioned.
	DayUTC func(instant string) string
	// Instant is the literal of an instant, given as its date and time in UTC.
	Instant func(utc string) string
	// JustBefore is the instant a millisecond before.
	JustBefore func(instant string) string
	// Unnest is the FROM item with one row per element of a repeated column;
	// alias is the element.
	Unnest func(list, alias string) string
	// Contains tells whether an array without NULLs has a value that is not NULL.
	Contains func(list, value string) string
	// Latest is the aggregate that gives, of the values that are not NULL,
	// the one with the highest order.
	Latest func(value, order string) string
	// Text is the literal of a text, whatever is in it. DuckDB has none for a
	// text with a NUL character: it ends there.
	Text func(value string) string
	// Readable is the text of bytes as far as it is printable ASCII. What is
	// not may be replaced, but never by a letter, digit or sign.
	Readable func(bytes string) string
	// Matches tells whether a part of the text matches the regular expression
	// (RE2), a text too.
	Matches func(text, expression string) string
	// Digest is SHA-256 of a text, as 64 lower-case hex digits.
	Digest func(text string) string
	// Scalar is the text of the string, number or boolean that a JSON value
	// holds under a key of one of its objects; NULL where there is none or
	// something else. An integer comes digit for digit, another number as the
	// warehouse writes it: 12.50 as 12.5.
	Scalar func(json, object, key string) string
	// Member is the text of the string, number or boolean that a JSON value
	// holds under a key, a word; NULL where there is none.
	Member func(json, key string) string
}

func (d Dialect) functions() template.FuncMap {
	return template.FuncMap{
		"relation": d.Relation,
		"now":      func() string { return d.Now },
		"seconds":  d.Seconds,
		"day":      d.Day,
		"instant":  d.Instant,
		"unnest":   d.Unnest,
		"contains": d.Contains,
		"latest":   d.Latest,
		"text":     d.Text,
		"readable": d.Readable,
		"matches":  d.Matches,
		"digest":   d.Digest,
		"scalar":   d.Scalar,
		"member":   d.Member,

		"just_before":  d.JustBefore,
		"milliseconds": d.Milliseconds,
		"second":       d.Second,
		"minute":       d.Minute,
		"day_utc":      d.DayUTC,
		"each_second":  d.EachSecond,
	}
}

// BigQuery returns the dialect of GoogleSQL for the tables of a dataset. An
// empty project is the one in which a statement runs. The zone, an IANA name,
// is that in which views count days.
func BigQuery(project, dataset, zone string) Dialect {
	if project != "" {
		dataset = project + "." + dataset
	}
	return Dialect{
		Relation: func(name string) string { return fmt.Sprintf("`%s.%s`", dataset, name) },
		Now:      "CURRENT_TIMESTAMP()",
		Seconds:  func(from, to string) string { return fmt.Sprintf("TIMESTAMP_DIFF(%s, %s, SECOND)", to, from) },
		Milliseconds: func(from, to string) string {
			return fmt.Sprintf("TIMESTAMP_DIFF(%s, %s, MILLISECOND)", to, from)
		},
		Second: func(instant string) string { return fmt.Sprintf("TIMESTAMP_TRUNC(%s, SECOND)", instant) },
		Minute: func(instant string) string { return fmt.Sprintf("TIMESTAMP_TRUNC(%s, MINUTE)", instant) },
		EachSecond: func(from, to string) string {
			return fmt.Sprintf("GENERATE_TIMESTAMP_ARRAY(TIMESTAMP_TRUNC(%s, SECOND), %s, INTERVAL 1 SECOND)", from, to)
		},
		Day:     func(instant string) string { return fmt.Sprintf("DATE(%s, %s)", instant, quote(zone)) },
		DayUTC:  func(instant string) string { return fmt.Sprintf("DATE(%s)", instant) },
		Instant: func(utc string) string { return fmt.Sprintf("TIMESTAMP %s", quote(utc+"+00")) },
		JustBefore: func(instant string) string {
			return fmt.Sprintf("TIMESTAMP_SUB(%s, INTERVAL 1 MILLISECOND)", instant)
		},
		Unnest:   func(list, alias string) string { return fmt.Sprintf("UNNEST(%s) AS %s", list, alias) },
		Contains: func(list, value string) string { return fmt.Sprintf("%s IN UNNEST(%s)", value, list) },
		Latest: func(value, order string) string {
			// MAX_BY would give NULL where the latest value is NULL.
			return fmt.Sprintf("ARRAY_AGG(%s IGNORE NULLS ORDER BY %s DESC LIMIT 1)[SAFE_OFFSET(0)]", value, order)
		},
		Text:     strconv.Quote, // the escapes of Go's literals are GoogleSQL's too
		Readable: func(bytes string) string { return fmt.Sprintf("SAFE_CONVERT_BYTES_TO_STRING(%s)", bytes) },
		Matches: func(text, expression string) string {
			return fmt.Sprintf("REGEXP_CONTAINS(%s, %s)", text, expression)
		},
		Digest: func(text string) string { return fmt.Sprintf("TO_HEX(SHA256(%s))", text) },
		Scalar: func(json, object, key string) string {
			// Other than in a path, every key can be written so.
			return fmt.Sprintf("JSON_VALUE(%s[%s][%s])", json, strconv.Quote(object), strconv.Quote(key))
		},
		Member: func(json, key string) string { return fmt.Sprintf("JSON_VALUE(%s, '$.%s')", json, key) },
	}
}

// DuckDB returns the dialect of the embedded warehouse. The zone, an IANA
// name, is that in which views count days.
func DuckDB(zone string) Dialect {
	return Dialect{
		Relation:     func(name string) string { return name },
		Now:          "now()",
		Seconds:      func(from, to string) string { return fmt.Sprintf("date_sub('second', %s, %s)", from, to) },
		Milliseconds: func(from, to string) string { return fmt.Sprintf("date_sub('millisecond', %s, %s)", from, to) },
		Second:       func(instant string) string { return fmt.Sprintf("date_trunc('second', %s)", instant) },
		Minute:       func(instant string) string { return fmt.Sprintf("date_trunc('minute', %s)", instant) },
		EachSecond: func(from, to string) string {
			return fmt.Sprintf("generate_series(date_trunc('second', %s), %s, INTERVAL 1 SECOND)", from, to)
		},
		Day: func(instant string) string {
			return fmt.Sprintf("CAST(timezone(%s, %s) AS DATE)", quote(zone), instant)
		},
		DayUTC:     func(instant string) string { return fmt.Sprintf("CAST(timezone('UTC', %s) AS DATE)", instant) },
		Instant:    func(utc string) string { return fmt.Sprintf("TIMESTAMPTZ %s", quote(utc+"+00")) },
		JustBefore: func(instant string) string { return fmt.Sprintf("(%s - INTERVAL 1 MILLISECOND)", instant) },
		Unnest:     func(list, alias string) string { return fmt.Sprintf("UNNEST(%s) AS %[2]s_list(%[2]s)", list, alias) },
		Contains:   func(list, value string) string { return fmt.Sprintf("list_contains(%s, %s)", list, value) },
		Latest: func(value, order string) string {
			// arg_max passes over values that are NULL.
			return fmt.Sprintf("arg_max(%s, %s)", value, order)
		},
		Text: func(value string) string {
			value, _, _ = strings.Cut(value, "\x00")
			return "'" + strings.ReplaceAll(value, "'", "''") + "'"
		},
		Readable: func(bytes string) string {
			// The cast writes what it does not print as \xHH, and a backslash
			// as \x5C.
			return fmt.Sprintf(`replace(regexp_replace(CAST(%s AS VARCHAR), '\\x([0-46-9A-F].|5[0-9ABD-F])', ' ', 'g'), '\x5C', '\')`, bytes)
		},
		Matches: func(text, expression string) string {
			return fmt.Sprintf("regexp_matches(%s, %s)", text, expression)
		},
		Digest: func(text string) string { return fmt.Sprintf("sha256(%s)", text) },
		Scalar: func(json, object, key string) string {
			// A JSON pointer can name every key.
			escape := strings.NewReplacer("~", "~0", "/", "~1", "'", "''")
			pointer := fmt.Sprintf("'/%s/%s'", escape.Replace(object), escape.Replace(key))
			return fmt.Sprintf("CASE WHEN json_type(%s, %[2]s) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(%[1]s, %[2]s) END", json, pointer)
		},
		Member: func(json, key string) string { return fmt.Sprintf("json_extract_string(%s, '$.%s')", json, key) },
	}
}

// quote returns a string literal. The names of time zones and fields, for
// which it is used, have neither quotes nor backslashes.
func quote(s string) string { return "'" + strings.NewReplacer(`'`, "", `\`, "").Replace(s) + "'" }
