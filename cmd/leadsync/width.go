package main

import "unicode"

// printWidth returns how many cells of a terminal the text takes: Chinese
// characters take two, combining marks none.
func printWidth(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// isWide reports whether the character is East Asian wide or fullwidth
// (Unicode Standard Annex #11, by block).
func isWide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || // Hangul Jamo
		r >= 0x2e80 && r <= 0x303e || r >= 0x3041 && r <= 0xa4cf || // CJK, kana, Yi
		r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || // Hangul, CJK compatibility
		r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || // forms
		r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd) // pictographs, CJK extensions
}
