package bigquery

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	bq "cloud.google.com/go/bigquery"
)

// plainRow returns values of a query in the types of [sinks.Warehouse].
func plainRow(values []bq.Value, schema bq.Schema) []any {
	row := make([]any, len(values))
	for i, v := range values {
		row[i] = plain(v, schema[i])
	}
	return row
}

// plain returns one value. Dates, times of day, intervals, ranges and
// decimals come as their text.
func plain(v bq.Value, f *bq.FieldSchema) any {
	if list, ok := v.([]bq.Value); ok {
		if f.Repeated {
			return plainList(list, f)
		}
		return plainRecord(list, f.Schema)
	}
	switch v := v.(type) {
	case *big.Rat:
		return decimal(v, f.Type)
	case *bq.RangeValue:
		return fmt.Sprintf("[%s, %s)", bound(v.Start), bound(v.End))
	case time.Time:
		return v
	case fmt.Stringer: // the civil types, an interval
		return v.String()
	default:
		return v
	}
}

func plainList(list []bq.Value, f *bq.FieldSchema) any {
	element := *f
	element.Repeated = false
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = plain(v, &element)
	}
	return out
}

func plainRecord(values []bq.Value, schema bq.Schema) any {
	out := make(map[string]any, len(values))
	for i, v := range values {
		out[schema[i].Name] = plain(v, schema[i])
	}
	return out
}

// decimal returns the shortest exact text.
func decimal(r *big.Rat, t bq.FieldType) string {
	digits := bq.NumericScaleDigits
	if t == bq.BigNumericFieldType {
		digits = bq.BigNumericScaleDigits
	}
	text := r.FloatString(digits)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func bound(v bq.Value) string {
	switch v := v.(type) {
	case nil:
		return "UNBOUNDED"
	case time.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}
