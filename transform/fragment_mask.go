package transform

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// knownKeys are the source's keys that this program speaks of: they are public
// and tell nothing of anybody.
var knownKeys = func() map[string]bool {
	known := map[string]bool{"extra_data": true, "create_time": true}
	for _, columns := range []map[string]int{envelopeColumns, extraDataColumns} {
		for key := range columns {
			known[key] = true
		}
	}
	return known
}()

// mask returns a text on one line with an x for each letter and a 9 for each
// digit. Punctuation stays, since it may be what is wrong; white space is one
// space, or ↵ where it breaks the line; what is no text is \uFFFD.
func mask(src []byte) string {
	var b strings.Builder
	space := false
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		i += size
		if r == ' ' && space {
			continue
		}
		space = r == ' '
		b.WriteRune(maskRune(r))
	}
	return b.String()
}

func maskRune(r rune) rune {
	switch {
	case r == utf8.RuneError:
		return utf8.RuneError
	case unicode.IsDigit(r):
		return '9'
	case r == '\n' || r == '\r':
		return '↵'
	case r == ' ' || r == '\t':
		return ' '
	case r > ' ' && r < unicode.MaxASCII && !unicode.IsLetter(r):
		return r
	case unicode.IsPunct(r) || unicode.Is(unicode.Zs, r):
		return r
	case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		return utf8.RuneError
	default:
		return 'x'
	}
}

// clip cuts a masked text where it gets long; what was a string still ends as
// one.
func clip(s string) string {
	const most = 40 // characters
	n := 0
	for i := range s {
		if n++; n > most {
			if s[0] == '"' {
				return s[:i] + `…"`
			}
			return s[:i] + "…"
		}
	}
	return s
}
