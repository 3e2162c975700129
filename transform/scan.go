package transform

// scan appends the nodes of src to nodes and reports whether src is one JSON
// text, nested no deeper than [MaxDepth]. It accepts only what the library
// accepts, but for duplicate keys, which the canonical form finds; what it does
// not accept the library judges anew. It takes a third of the library's time on
// an ordinary event.
//
// Each turn of the loop reads one value, with its key and with the brackets
// that close behind it. What makes a text other than compact is noted by
// where it was seen last: a container has it if it begins before.
func scan(nodes []node, src []byte) ([]node, bool) {
	var stack [MaxDepth]int32
	open := stack[:0] // nodes of the containers that are open
	inObject := false // the innermost of them is one
	known := keys
	odd := -1 // where there was white space, a string with needless escapes or a number to look at
	for i := 0; ; i++ {
		if inObject {
			if i >= len(src) || src[i] != '"' {
				if i = behindSpace(src, i, '"'); i < 0 {
					return nodes, false
				}
				odd = i - 1
			}
			var n *node
			if nodes, n = scanString(nodes, src, i); n == nil {
				return nodes, false
			}
			if n.flags&compact == 0 {
				odd = i
			}
			n.key = known.id(text(src, n))
			if i = int(n.end); i >= len(src) || src[i] != ':' {
				if i = behindSpace(src, i, ':'); i < 0 {
					return nodes, false
				}
				odd = i - 1
			}
			i++
		}
		if i < len(src) && src[i] <= ' ' {
			i = skipSpace(src, i)
			odd = i - 1
		}
		if i >= len(src) {
			return nodes, false
		}
		switch c := src[i]; c {
		case '"':
			var n *node
			if nodes, n = scanString(nodes, src, i); n == nil {
				return nodes, false
			}
			if n.flags&compact == 0 {
				odd = i
			}
			i = int(n.end)
		case '{', '[':
			if len(open) == MaxDepth {
				return nodes, false
			}
			open = append(open, int32(len(nodes)))
			nodes = append(nodes, node{kind: c, start: int32(i)})
			inObject = c == '{'
			if at := skipSpace(src, i+1); at == len(src) || src[at] != closing(c) {
				continue
			} else if i++; at > i {
				odd = at - 1
				i = at
			}
		default:
			kind, flags, end := scanScalar(src, i)
			if end < 0 {
				return nodes, false
			}
			if flags&compact == 0 {
				odd = i
			}
			nodes = append(nodes, node{})
			n := &nodes[len(nodes)-1]
			n.kind, n.flags, n.start, n.end, n.next = kind, flags, int32(i), int32(end), int32(len(nodes))
			i = end
		}
		// Behind the value: brackets that close, then a comma or the end.
		for {
			last := len(open) - 1
			if last < 0 {
				return nodes, skipSpace(src, i) == len(src)
			}
			if i < len(src) && src[i] <= ' ' {
				i = skipSpace(src, i)
				odd = i - 1
			}
			if i >= len(src) {
				return nodes, false
			}
			if src[i] == ',' {
				break
			}
			n := &nodes[open[last]]
			if src[i] != closing(n.kind) {
				return nodes, false
			}
			i++
			n.end, n.next = int32(i), int32(len(nodes))
			if odd < int(n.start) {
				n.flags = compact
			}
			open = open[:last]
			inObject = last > 0 && nodes[open[last-1]].kind == '{'
		}
	}
}

// closing returns the bracket that closes another: both stand two behind.
func closing(bracket byte) byte { return bracket + 2 }

// behindSpace returns the place of c behind white space, -1 if something else
// is there.
func behindSpace(src []byte, i int, c byte) int {
	if i = skipSpace(src, i); i == len(src) || src[i] != c {
		return -1
	}
	return i
}

func skipSpace(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\n' || src[i] == '\t' || src[i] == '\r') {
		i++
	}
	return i
}

// scanScalar returns the kind of the literal or number that begins at src[i],
// what is known of it, and the place behind it; -1 if it is none.
func scanScalar(src []byte, i int) (kind byte, flags nodeFlags, end int) {
	start := i
	switch src[i] {
	case 'n':
		return scanLiteral(src, i, "null")
	case 't':
		return scanLiteral(src, i, "true")
	case 'f':
		return scanLiteral(src, i, "false")
	case '-':
		i++
	}
	if i < len(src) && src[i] == '0' {
		i++
	} else if i = scanDigits(src, i); i < 0 {
		return 0, 0, -1
	}
	// An integer that everything holds is its own canonical form, but for -0.
	if i-start <= 18 && (src[start] != '-' || src[start+1] != '0') {
		flags = compact
	}
	if i < len(src) && src[i] == '.' {
		flags = 0
		if i = scanDigits(src, i+1); i < 0 {
			return 0, 0, -1
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		flags = 0
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if i = scanDigits(src, i); i < 0 {
			return 0, 0, -1
		}
	}
	return '0', flags, i
}

func scanLiteral(src []byte, i int, literal string) (kind byte, flags nodeFlags, end int) {
	end = i + len(literal)
	if end > len(src) || string(src[i:end]) != literal {
		return 0, 0, -1
	}
	return literal[0], compact, end
}

// scanDigits returns the place behind the digits at src[i], -1 if there is none.
func scanDigits(src []byte, i int) int {
	start := i
	for i < len(src) && '0' <= src[i] && src[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
