//go:build cgo && !noduckdb

package duckdb

import (
	"fmt"
	"math"
	"math/big"
	"time"

	duck "github.com/duckdb/duckdb-go/v2"
)

// plain turns a value of the library into one of those that a
// [sinks.Warehouse] hands over. The name of the column's type tells dates and
// times of day from instants; it is empty for nested values.
func plain(value any, typeName string) any {
	switch v := value.(type) {
	case nil, string, int64, float64, bool:
		return v
	case []byte:
		if typeName == "UUID" && len(v) == len(duck.UUID{}) {
			id := duck.UUID(v)
			return id.String()
		}
		return v
	case time.Time:
		switch typeName {
		case "DATE":
			return v.Format(time.DateOnly)
		case "TIME", "TIMETZ", "TIME WITH TIME ZONE":
			return v.Format("15:04:05.999999")
		}
		return v
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case float32:
		return float64(v)
	case *big.Int: // a sum of integers, for example
		if v.IsInt64() {
			return v.Int64()
		}
	case duck.Decimal:
		return v.String()
	case duck.UUID:
		return v.String()
	case duck.Interval:
		return fmt.Sprintf("%d months %d days %s", v.Months, v.Days, time.Duration(v.Micros)*time.Microsecond)
	case duck.Union:
		return plain(v.Value, "")
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i], "")
		}
		return list
	case map[string]any:
		fields := make(map[string]any, len(v))
		for name := range v {
			fields[name] = plain(v[name], "")
		}
		return fields
	case duck.Map:
		fields := make(map[string]any, len(v))
		for key := range v {
			fields[fmt.Sprint(plain(key, ""))] = plain(v[key], "")
		}
		return fields
	}
	return fmt.Sprint(value)
}
