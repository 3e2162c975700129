package config

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. Its text is a whole number with a unit (B, kB,
// MB, GB in thousands, KiB, MiB, GiB in 1,024s) or without one.
type Size int64

const (
	kibi Size = 1 << 10
	mebi Size = 1 << 20
	gibi Size = 1 << 30
)

var units = []struct {
	suffix string
	size   Size
}{
	{"kib", kibi}, {"mib", mebi}, {"gib", gibi},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9},
	{"b", 1}, {"", 1},
}

// UnmarshalText reads a size. The case of the unit does not matter. No text
// leaves s as it is: the library hands over unset variables too.
func (s *Size) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	t := strings.ToLower(string(text))
	for _, u := range units {
		digits, ok := strings.CutSuffix(t, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n > uint64(math.MaxInt64/u.size) {
			return fmt.Errorf("read size: not a number of bytes")
		}
		*s = Size(n) * u.size
		return nil
	}
	return nil // not reached: the last unit is ""
}

// String returns the size in the largest unit of 1,024s that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		suffix string
		size   Size
	}{{"GiB", gibi}, {"MiB", mebi}, {"KiB", kibi}} {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// shown returns a setting's value as text, a URL without its password.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		if u, err := url.Parse(v); err == nil && u.User != nil {
			return u.Redacted()
		}
		return v
	case time.Duration:
		return v.String()
	case []string:
		return strings.Join(v, ",")
	default:
		return fmt.Sprint(v)
	}
}
