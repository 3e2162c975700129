package transform

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// A member is one key of an object, to be sorted: small, since sorting moves it
// about.
type member struct {
	prefix uint64 // the key's first 8 bytes, big-endian, so that most comparisons are one
	key    int32  // node of the key; the value's is the next
}

// A sorter brings the keys of objects into order. Most objects of an event have
// known keys alone, whose ids are in order already: each has a place, and the
// places are gone through. Comparing is for the others.
type sorter struct {
	places [maxKeys]int32 // nodes of the known keys, by id
}

// append appends the keys of the object at node i in the order of compare,
// which must be that of the bytes for ASCII, and reports whether none is there
// twice.
func (s *sorter) append(dst []member, src []byte, nodes []node, i int, compare func(a, b []byte) int) (sorted []member, unique bool) {
	var present [maxKeys / 64]uint64
	unique = true
	others, base := 0, len(dst)
	known := keys
	for j := i + 1; j < int(nodes[i].next); j = int(nodes[j+1].next) {
		id := nodes[j].key
		if id == 0 || id > known.ordered {
			others++
			continue
		}
		bit := uint64(1) << (id % 64)
		if present[id/64]&bit != 0 {
			unique = false // and one of the two is left out: nobody will ask
		}
		present[id/64] |= bit
		s.places[id%maxKeys] = int32(j)
	}
	for word, set := range present {
		for ; set != 0; set &= set - 1 {
			id := 64*word + bits.TrailingZeros64(set)
			dst = append(dst, member{known.prefixes[id], s.places[id]})
		}
	}
	if others == 0 {
		return dst, unique
	}
	for j := i + 1; j < int(nodes[i].next); j = int(nodes[j+1].next) {
		if id := nodes[j].key; id == 0 || id > known.ordered {
			dst = append(dst, member{prefix(text(src, &nodes[j])), int32(j)})
		}
	}
	if !sortMembers(dst[base:], len(dst)-base-others, src, nodes, compare) {
		unique = false
	}
	return dst, unique
}

// sortMembers sorts a list of which the first members are in order, and reports
// whether all are different.
func sortMembers(list []member, ordered int, src []byte, nodes []node, compare func(a, b []byte) int) (unique bool) {
	order := func(a, b member) int {
		const beyondASCII = 0x8080808080808080
		if a.prefix != b.prefix && (a.prefix|b.prefix)&beyondASCII == 0 {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return compare(text(src, &nodes[a.key]), text(src, &nodes[b.key]))
	}
	const few = 24 // to be put into their places one by one
	if len(list)-ordered > few {
		slices.SortFunc(list, order)
		ordered = 0
	}
	unique = true
	for k := max(1, ordered); k < len(list); k++ {
		m, at := list[k], k
		for ; at > 0; at-- {
			before := order(list[at-1], m)
			if before == 0 {
				unique = false
			}
			if before <= 0 {
				break
			}
			list[at] = list[at-1]
		}
		list[at] = m
	}
	return unique
}

func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
