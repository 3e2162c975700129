package transform

import (
	"bytes"
	"math"
	"strconv"
)

// isInteger reports whether a JSON number has neither fraction nor exponent.
func isInteger(lit []byte) bool {
	return bytes.IndexByte(lit, '.') < 0 && !bytes.ContainsAny(lit, "eE")
}

// fitsJSON reports whether BigQuery's JSON type holds the number: a 64-bit
// integer, signed or not, or a FLOAT64 whose shortest decimal form is the same
// number. PARSE_JSON refuses others unless told to round them.
func fitsJSON(lit []byte) bool {
	if isInteger(lit) {
		if len(lit) <= 18 {
			return true
		}
		if _, err := strconv.ParseInt(string(lit), 10, 64); err == nil {
			return true
		}
		if _, err := strconv.ParseUint(string(lit), 10, 64); err == nil {
			return true
		}
	}
	f, err := strconv.ParseFloat(string(lit), 64)
	if err != nil || math.IsInf(f, 0) {
		return false
	}
	shortest := strconv.AppendFloat(nil, f, 'e', -1, 64)
	return decimalOf(lit).equal(decimalOf(shortest))
}

// A decimal is the number 0.digits × 10^exp with neither leading nor trailing
// zeros among the digits; no digits is zero, whatever its sign.
type decimal struct {
	negative bool
	digits   []byte
	exp      int64
}

func (d decimal) equal(e decimal) bool {
	if len(d.digits) == 0 && len(e.digits) == 0 {
		return true
	}
	return d.negative == e.negative && d.exp == e.exp && bytes.Equal(d.digits, e.digits)
}

// decimalOf reads a JSON number, or the form of strconv.AppendFloat.
func decimalOf(lit []byte) decimal {
	var d decimal
	if lit[0] == '-' {
		d.negative = true
		lit = lit[1:]
	}
	if i := bytes.IndexAny(lit, "eE"); i >= 0 {
		// One that does not fit comes out as the nearest that does, and is no
		// double's anyway.
		d.exp, _ = strconv.ParseInt(string(lit[i+1:]), 10, 32)
		lit = lit[:i]
	}
	whole, fraction, _ := bytes.Cut(lit, []byte{'.'})
	d.exp += int64(len(whole))
	d.digits = append(append(d.digits, whole...), fraction...)
	for len(d.digits) > 0 && d.digits[0] == '0' {
		d.digits = d.digits[1:]
		d.exp--
	}
	d.digits = bytes.TrimRight(d.digits, "0")
	return d
}
