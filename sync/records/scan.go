package records

// maxDepth is how deep a value may nest before it counts as malformed here;
// its brackets still tell where it ends. It is above what the transform
// takes, and bounds how far a malformed line is read into those after it.
const maxDepth = 128

// A scanner finds the end of one JSON value by JSON's grammar. It does not
// look into numbers and names (true, null): that is the transform's to judge.
// Nor does it recurse.
type scanner struct {
	expect expect
	depth  int
	object [maxDepth]bool // at each level: an object, not an array
}

// expect is what a scanner needs to see next.
type expect uint8

const (
	value    expect = iota
	firstKey        // or the object's end
	key             // after a comma
	colon
	firstValue // or the array's end
	comma      // or the object's or array's end
	inString   // the rest of a string
	inEscape   // the byte after a backslash
	inKey      // as inString, of a key
	inKeyEscape
	inName // the rest of a number or name
)

func (e expect) String() string {
	switch e {
	case value:
		return "a value"
	case firstKey:
		return "a key or '}'"
	case key:
		return "a key"
	case colon:
		return "':'"
	case firstValue:
		return "a value or ']'"
	case inString, inEscape, inKey, inKeyEscape:
		return "the end of a string"
	default:
		return "',' or the end of the object or array"
	}
}

// scan is the step to the end of the value. If that is invalid, s.expect says
// what should have been there.
func (s *scanner) scan(piece []byte) (int, status) {
	for i := 0; i < len(piece); i++ {
		c := piece[i]
		switch s.expect {
		case inString, inKey:
			n := stringEnd(piece[i:])
			if i += n; i == len(piece) {
				return i, open
			}
			switch c := piece[i]; {
			case c == '\\':
				s.expect++
			case c != '"':
				return i, invalid
			case s.expect == inKey:
				s.expect = colon
			case s.depth == 0:
				return i + 1, ended
			default:
				s.expect = comma
			}
			continue
		case inEscape, inKeyEscape:
			if c < ' ' {
				return i, invalid
			}
			s.expect--
			continue
		case inName:
			if isName(c) {
				continue
			}
			if s.depth == 0 {
				return i, ended
			}
			s.expect = comma
		}
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		if !s.token(c) {
			return i, invalid
		}
		if s.depth == 0 && s.expect == comma {
			return i + 1, ended
		}
	}
	return len(piece), open
}

// token takes the first byte of a token and reports whether it may stand here.
func (s *scanner) token(c byte) bool {
	switch s.expect {
	case firstValue, value:
		switch {
		case c == ']' && s.expect == firstValue:
			return s.pop(false)
		case c == '{':
			return s.push(true)
		case c == '[':
			return s.push(false)
		case c == '"':
			s.expect = inString
		case isName(c):
			s.expect = inName
		default:
			return false
		}
	case firstKey, key:
		switch {
		case c == '"':
			s.expect = inKey
		case c == '}' && s.expect == firstKey:
			return s.pop(true)
		default:
			return false
		}
	case colon:
		s.expect = value
		return c == ':'
	case comma:
		switch c {
		case ',':
			s.expect = value
			if s.object[s.depth-1] {
				s.expect = key
			}
		case '}', ']':
			return s.pop(c == '}')
		default:
			return false
		}
	}
	return true
}

func (s *scanner) push(object bool) bool {
	if s.depth == maxDepth {
		return false
	}
	s.object[s.depth] = object
	s.depth++
	s.expect = firstValue
	if object {
		s.expect = firstKey
	}
	return true
}

func (s *scanner) pop(object bool) bool {
	if s.object[s.depth-1] != object {
		return false
	}
	s.depth--
	s.expect = comma
	return true
}

// isName says whether c may be part of a number or name.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c >= 'A' && c <= 'Z'
}
