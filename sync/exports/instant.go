package exports

import (
	"strconv"
	"strings"
	"time"
)

// layouts are the ways in which instants are exported, the T of RFC 3339 as a
// space, and what says that the zone is UTC left out. Each may have a fraction
// of the second.
var layouts = [...]string{time.DateTime, time.DateTime + "-07", time.DateTime + "-07:00"}

// instant reads a JSON value that tells an instant: RFC 3339; the like with a
// space, and UTC or nothing for the zone; or seconds since the Unix epoch, as
// BigQuery's API writes them, 1.676962253E9. ok is false for anything else and
// for what no TIMESTAMP holds.
func instant(value []byte) (at time.Time, ok bool) {
	s := string(value)
	if t, isText := text(value); isText {
		s = string(t)
	}
	if len(s) < len(time.DateTime) || s[4] != '-' {
		return epoch(s)
	}
	if s[10] == 'T' {
		s = s[:10] + " " + s[11:]
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "Z"), " UTC")
	for _, layout := range layouts {
		if at, err := time.Parse(layout, s); err == nil {
			return inRange(at)
		}
	}
	return time.Time{}, false
}

// epoch reads a decimal number of seconds, with or without an exponent, to the
// microsecond.
func epoch(s string) (at time.Time, ok bool) {
	mantissa, exponent, scientific := strings.Cut(strings.ToUpper(s), "E")
	shift := 6
	if scientific {
		n, err := strconv.Atoi(exponent)
		if err != nil || n < -20 || n > 20 {
			return at, false
		}
		shift += n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	shift -= len(fraction)
	digits := whole + fraction
	if strings.Trim(digits, "+-") == "" {
		return at, false
	}
	for ; shift > 0; shift-- {
		digits += "0"
	}
	if shift < 0 {
		cut := max(len(digits)+shift, 0)
		if strings.Trim(digits[cut:], "0") != "" {
			return at, false // finer than a microsecond
		}
		digits = digits[:cut]
	}
	micros, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strings.ContainsAny(fraction, "+-") {
		return at, false
	}
	return inRange(time.UnixMicro(micros))
}

// inRange returns an instant in UTC if a TIMESTAMP holds it. The first one of
// year 1, which stands for none, is left out.
func inRange(at time.Time) (time.Time, bool) {
	at = at.UTC()
	return at, !at.IsZero() && at.Year() >= 1 && at.Year() <= 9999
}
