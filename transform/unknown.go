package transform

import (
	"unicode"
	"unicode/utf8"
)

// A Part is one of the two objects of an event whose keys have columns.
type Part uint8

// The parts.
const (
	Envelope  Part = iota // the event itself
	ExtraData             // its extra_data
	numParts
)

// String returns the part's name: "envelope" or "extra_data", as in the
// column extra.
func (p Part) String() string { return [...]string{"envelope", "extra_data"}[p] }

// OtherField stands for the names that unknown fields are not counted by.
const OtherField = "(other)"

// Bounds of what is counted by name.
const (
	maxUnknown     = 200 // names, of both parts
	maxUnknownName = 100 // bytes
)

// An unknownField is a key that no column holds, with how often it was seen.
type unknownField struct {
	part Part
	name string
	seen int
}

// unknownFields counts the keys that no column holds. There are few of them
// and most events have the same ones, so a known name costs no allocation and
// mostly not even a look at the map.
type unknownFields struct {
	fields []unknownField           // first those that stand for others, one a part
	places [numParts]map[string]int // in fields, by name
	last   [numParts]int            // place of the one counted last
}

func newUnknownFields() unknownFields {
	var u unknownFields
	for part := range numParts {
		u.fields = append(u.fields, unknownField{part: part, name: OtherField})
		u.places[part] = map[string]int{}
		u.last[part] = int(part)
	}
	return u
}

// count counts a key.
func (u *unknownFields) count(part Part, key []byte) {
	place := u.last[part]
	if u.fields[place].name != string(key) {
		var ok bool
		if place, ok = u.places[part][string(key)]; !ok {
			place = u.add(part, key)
		}
		u.last[part] = place
	}
	u.fields[place].seen++
}

// add returns the place of a key that has none yet.
func (u *unknownFields) add(part Part, key []byte) int {
	if len(u.fields) >= maxUnknown+int(numParts) || !isName(key) {
		return int(part)
	}
	place := len(u.fields)
	u.fields = append(u.fields, unknownField{part: part, name: string(key)})
	u.places[part][string(key)] = place
	return place
}

// isName reports whether a key is short and plain enough to be a label.
func isName(key []byte) bool {
	if len(key) == 0 || len(key) > maxUnknownName || !utf8.Valid(key) {
		return false
	}
	for _, r := range string(key) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// countUnknown counts the event's keys that no column holds.
func (t *Transformer) countUnknown() {
	for part := range numParts {
		for _, i := range t.spare[part] {
			t.unknown.count(part, text(t.src, &t.nodes[i]))
		}
	}
}

// TakeUnknown hands over the fields of the source that no column holds and
// that were seen since the last call: which part they are in, their key, and
// how many events had them. Each copy of an event counts; what is no event,
// or is about an erased entity, does not. Such a field is kept in the column
// extra; a value that its own column cannot hold is there too and is not
// counted.
//
// At most 200 keys are told by name. All others, and those above 100 bytes or
// with characters that do not print, come together as [OtherField].
func (t *Transformer) TakeUnknown(f func(part Part, key string, events int)) {
	for i := range t.unknown.fields {
		u := &t.unknown.fields[i]
		if u.seen > 0 {
			f(u.part, u.name, u.seen)
			u.seen = 0
		}
	}
}
