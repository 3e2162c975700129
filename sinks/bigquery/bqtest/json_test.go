package bqtest

import (
	"strings"
	"testing"
)

// TestCheckJSON would catch a number or text that the service refuses and
// this takes, or the other way round.
func TestCheckJSON(t *testing.T) {
	for text, ok := range map[string]bool{
		`null`: true, `""`: true, `{}`: true, `[1,"a",true,null]`: true, ` {"a" : 1} `: true,
		`{"a":1,"a":2}`: true,
		``:              false, ` `: false, `{`: false, `{"a":1}x`: false, `{'a':1}`: false, `NaN`: false, `01`: false, `[1,]`: false,

		`0`: true, `-0`: true, `9223372036854775807`: true, `-9223372036854775808`: true, `18446744073709551615`: true,
		`18446744073709551616`: false, `-9223372036854775809`: false,
		`100000000000000000000`: true, `100000000000000000001`: false, // 1e20 is a FLOAT64
		`0.1`: true, `1.10`: true, `1e3`: true, `1.5E+3`: true, `-2.50e-3`: true, `0.0`: true, `0e9`: true,
		`1e400`: false, `1e-400`: false, `1e999999999999999999999`: false, `1e-999999999999999999999`: false,
		`0.1000000000000000055511151231257827`: false, `3.141592653589793`: true, `3.1415926535897932`: false,
		`5e-324`: true, `1.7976931348623157e308`: true, `1.7976931348623159e308`: false,

		`"\u00e9"`: true, `"\ud83d\ude00"`: true, `"\\ud800"`: true, `"\"\\\/\b\f\n\r\t"`: true,
		`"\ud800"`: false, `"\ud800x"`: false, `"\ud800\u0041"`: false, `"\ude00"`: false, `"\ud83d\ud83d"`: false, `"\uD83D\n"`: false,

		strings.Repeat("[", 500) + strings.Repeat("]", 500): true,
		strings.Repeat("[", 501) + strings.Repeat("]", 501): false,
	} {
		if err := checkJSON(text); (err == nil) != ok {
			t.Errorf("%.60s: %v, want taken: %v", text, err, ok)
		}
	}
}

// FuzzCheckJSON would catch a text that makes the check panic or hang.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`"\ud800`, `"\u"`, `1e99999`, `[[1.0,{"a":"\\u12"}]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { _ = checkJSON(text) })
}
