package transform

import (
	"errors"
	"strings"
	"testing"
)

// Numbers that BigQuery's JSON type refuses cost their whole request; numbers
// that it takes must stay numbers.
func TestFitsJSON(t *testing.T) {
	for lit, want := range map[string]bool{
		"0": true, "-0": true, "1.0": true, "1.50": true, "1e3": true, "0.1": true, "-0.0": true, "0e99999999999": true,
		"9223372036854775807": true, "9223372036854775808": true, "18446744073709551615": true,
		"-9223372036854775808": true, "-9223372036854775809": false, "18446744073709551616": false, // 2^64 is a double, but its shortest form is another number
		"18446744073709551617": false, "100000000000000000000": true, "123456789012345678901234567890": false,
		"1e308": true, "1e309": false, "-1e400": false, "5e-324": true, "4e-324": false, "1e-400": false, "1e99999999999999999999": false,
		"0.1000000000000000055511151231257827": false, "0.30000000000000004": true, "3.141592653589793238462643383279": false,
		"1.7976931348623157e308": true, "1.79769313486231571e308": false, "9007199254740993.0": false, "9007199254740992.0": true,
	} {
		if got := fitsJSON([]byte(lit)); got != want {
			t.Errorf("fitsJSON(%s) = %v, want %v", lit, got, want)
		}
	}
}

// Every way in which a payload is no event must give its own code and cause,
// never a value of the payload.
func TestValidate(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct {
		name, src string
		reason    Reason
		cause     string
	}{
		{"empty", "", JSONInvalid, "ends too early"},
		{"white space", " \n", JSONInvalid, "ends too early"},
		{"truncated", `{"a":[1,`, JSONInvalid, "ends too early"},
		{"trailing", `{} {}`, JSONInvalid, "data after the value"},
		{"trailing garbage", `{}x`, JSONInvalid, "data after the value"},
		{"duplicate key", `{"a":1,"\u0061":2}`, JSONInvalid, "duplicate key"},
		{"duplicate key inside", `{"a":{"b":1,"b":2}}`, JSONInvalid, "duplicate key"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", JSONInvalid, "invalid UTF-8"},
		{"lone surrogate", `{"a":"\ud800"}`, JSONInvalid, "syntax error"},
		{"byte order mark", "\ufeff{}", JSONInvalid, "syntax error"},
		{"single quotes", `{'a':1}`, JSONInvalid, "syntax error"},
		{"unclosed beyond the library's depth", strings.Repeat("[", 20000), JSONInvalid, "syntax error"},
		{"wrongly closed beyond the library's depth", strings.Repeat("[", 20000) + "}" + strings.Repeat("]", 19999), JSONInvalid, "syntax error"},
		{"beyond the library's depth", deep(20000), JSONTooDeep, "nested deeper than 100 levels"},
		{"too deep", deep(101), JSONTooDeep, "nested deeper than 100 levels"},
		{"too deep and invalid", strings.Repeat("[", 101), JSONInvalid, "ends too early"},
		{"deep enough", deep(100), NotAnObject, "not a JSON object"},
		{"a number", "5", NotAnObject, "not a JSON object"},
		{"null", " null ", NotAnObject, "not a JSON object"},
		{"too large", strings.Repeat(" ", MaxPayload+1), TooLarge, "above 10 MiB"},
		{"large and invalid", strings.Repeat(" ", MaxPayload), JSONInvalid, "ends too early"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rows Rows
			_, err := New(Options{}).Transform(&rows, []byte(test.src), Delivery{})
			r, ok := errors.AsType[*Rejection](err)
			if !ok {
				t.Fatalf("error is %T", err)
			}
			if r.Reason != test.reason || r.Cause != test.cause || r.Stage != StageDecode {
				t.Errorf("got %s at %s: %q, want %s: %q", r.Reason, r.Stage, r.Cause, test.reason, test.cause)
			}
			if rows.Total() != 0 {
				t.Errorf("%d rows appended", rows.Total())
			}
		})
	}
}
