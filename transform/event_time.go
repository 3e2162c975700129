package transform

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// timeAt returns the value at node i as an instant: a naive time in the
// source's zone, RFC 3339, or Unix seconds. Zero is NULL.
func (t *Transformer) timeAt(i int) (v time.Time, held bool) {
	s, held := t.textAt(i)
	if s == nil {
		return time.Time{}, held
	}
	var err error
	if digits := bytes.TrimPrefix(s, []byte{'-'}); isDigits(digits) {
		var seconds int64
		seconds, err = strconv.ParseInt(string(s), 10, 64)
		const year1, year9999 = -62135596800, 253402300799 // what a TIMESTAMP holds
		if seconds < year1 || seconds > year9999 {
			return time.Time{}, false
		}
		v = time.Unix(seconds, 0)
	} else if len(s) == len(time.DateTime) && s[10] == ' ' {
		v, err = parseNaive(s, t.location)
	} else {
		v, err = parseRFC3339(string(s))
	}
	v = v.UTC()
	// The zero time stands for NULL, so the first instant of year 1 is left
	// to extra.
	if err != nil || v.IsZero() || v.Year() < 1 || v.Year() > 9999 {
		return time.Time{}, false
	}
	return v, true
}

// parseNaive parses a time as [time.DateTime], of its length. Where that is
// plainly in order it takes a third of the library's time, 3 % of an event;
// everything else is the library's to judge.
func parseNaive(s []byte, zone *time.Location) (time.Time, error) {
	year := 100*twoDigits(s, 0) + twoDigits(s, 2)
	month, day := twoDigits(s, 5), twoDigits(s, 8)
	hour, minute, second := twoDigits(s, 11), twoDigits(s, 14), twoDigits(s, 17)
	plain := year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= 28 &&
		hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60 &&
		s[4] == '-' && s[7] == '-' && s[10] == ' ' && s[13] == ':' && s[16] == ':'
	if !plain {
		return time.ParseInLocation(time.DateTime, string(s), zone)
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, zone), nil
}

// twoDigits returns the number of two digits; far below zero if they are none.
func twoDigits(s []byte, i int) int {
	tens, ones := s[i]-'0', s[i+1]-'0'
	if tens > 9 || ones > 9 {
		return -1 << 20
	}
	return 10*int(tens) + int(ones)
}

// parseRFC3339 parses an RFC 3339 time. What time.Parse lets pass beyond that
// is refused: an hour of one digit, a comma before the fraction, an offset of
// a day or of more than 59 minutes past the hour.
func parseRFC3339(s string) (time.Time, error) {
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return v, err
	}
	const fraction = len("2006-01-02T15:04:05")
	offset, whole := s[len(s)-1:], len(s) > fraction && s[13] == ':' && s[fraction] != ','
	if offset != "Z" {
		offset = s[len(s)-len("07:00"):]
	}
	if !whole || offset != "Z" && (offset >= "24" || offset[3:] >= "60") {
		return v, fmt.Errorf("not an RFC 3339 time")
	}
	return v, nil
}
