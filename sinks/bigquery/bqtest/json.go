package bqtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// maxJSONDepth is how deep arrays and objects of a JSON column may nest.
const maxJSONDepth = 500

// checkJSON refuses what a JSON column cannot hold: text that is not one JSON
// value, surrogates without their other half, deep nesting, and numbers that
// would change, which are those that are neither a 64-bit integer, signed or
// unsigned, nor a FLOAT64 whose shortest decimal form is the same number.
func checkJSON(text string) error {
	if !json.Valid([]byte(text)) {
		return errors.New("not a JSON text")
	}
	if err := checkSurrogates(text); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	depth := 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errors.New("not a JSON text")
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '[' || t == '{' {
				depth++
			} else {
				depth--
			}
			if depth > maxJSONDepth {
				return fmt.Errorf("nested deeper than %d levels", maxJSONDepth)
			}
		case json.Number:
			if !numberSurvives(string(t)) {
				return errors.New("a number cannot be stored without loss of precision")
			}
		}
	}
}

// checkSurrogates finds \u escapes of half a character in a valid JSON text,
// where a backslash stands only in strings.
func checkSurrogates(text string) error {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		if text[i] != 'u' {
			continue
		}
		switch r := hex4(text[i+1:]); {
		case r >= 0xDC00 && r <= 0xDFFF:
			return errors.New("surrogate without its first half")
		case r >= 0xD800 && r <= 0xDBFF:
			rest := text[i+5:]
			if !strings.HasPrefix(rest, `\u`) || hex4(rest[2:]) < 0xDC00 || hex4(rest[2:]) > 0xDFFF {
				return errors.New("surrogate without its second half")
			}
			i += 6
		}
		i += 4
	}
	return nil
}

func hex4(s string) uint64 {
	v, _ := strconv.ParseUint(s[:4], 16, 16)
	return v
}

func numberSurvives(s string) bool {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return true
	}
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return false
	}
	digits, exp := decimal(s)
	digits2, exp2 := decimal(strconv.FormatFloat(f, 'e', -1, 64))
	return digits == digits2 && exp == exp2
}

// decimal returns a number's digits without zeros at either end, and the
// power of ten by which they are to be multiplied.
func decimal(s string) (digits string, exp int64) {
	s = strings.TrimPrefix(s, "-")
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.ParseInt(strings.TrimPrefix(s[i+1:], "+"), 10, 64)
		if err != nil {
			e = math.MaxInt32 // Compares equal to no exponent of a FLOAT64.
		}
		s, exp = s[:i], e
	}
	whole, fraction, _ := strings.Cut(s, ".")
	exp -= int64(len(fraction))
	digits = strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(digits, "0")
	exp += int64(len(digits) - len(short))
	if short == "" {
		return "", 0
	}
	return short, exp
}
