package transform

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// A keyID tells which of the known keys a key is; 0 is none of them. The scan
// finds it once for each key, and what follows compares no names.
type keyID uint8

// maxKeys bounds the ids: there is room for the keys of all columns, defined
// and promoted.
const maxKeys = 128

// A keyTable knows the keys of the source that columns are made for.
type keyTable struct {
	slots    [4 * maxKeys]keyID // by hash; what finds its slot taken is in the next free one
	names    [maxKeys]string    // by id
	prefixes [maxKeys]uint64    // of the names, as in [member]
	columns  [numParts][maxKeys]int16
	ordered  keyID // ids from 1 up to this one are those of ASCII keys, in their order
}

// keys is the table of the columns there are now. Looking a key up takes half
// of the time that a map does.
var keys = newKeyTable()

// What keyTable.columns says of a key besides the place of its column: that
// there is none, or that the value is one of the two that an event is made of
// and has a place of its own in [Transformer.values].
const (
	noColumn      = -1
	colCreateTime = maxEventColumns
	colExtraData  = maxEventColumns + 1
	numValues     = maxEventColumns + 2
)

// newKeyTable makes the table of envelopeColumns and extraDataColumns, and of
// the fields of mapping_data that have transitions.
func newKeyTable() *keyTable {
	k := &keyTable{}
	names := []string{"", "create_time", "extra_data"}
	for _, columns := range []map[string]int{envelopeColumns, extraDataColumns} {
		for key := range columns {
			names = append(names, key)
		}
	}
	for i := range dimensions {
		names = append(names, dimensions[i].field)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(firstBeyondASCII(a), firstBeyondASCII(b)), strings.Compare(a, b))
	})
	names = slices.Compact(names)
	if len(names) > maxKeys {
		panic(fmt.Sprintf("transform: %d keys, more than %d", len(names), maxKeys))
	}
	copy(k.names[:], names)
	for id := 1; id < len(names); id++ {
		if firstBeyondASCII(names[id]) == 0 {
			k.ordered = keyID(id)
		}
		slot := hashKey([]byte(names[id]))
		for k.slots[slot%len(k.slots)] != 0 {
			slot++
		}
		k.slots[slot%len(k.slots)] = keyID(id)
	}
	for id, name := range k.names {
		k.prefixes[id] = prefix([]byte(name))
		k.columns[Envelope][id] = columnOf(envelopeColumns, name)
		k.columns[ExtraData][id] = columnOf(extraDataColumns, name)
		switch name {
		case "create_time":
			k.columns[Envelope][id] = colCreateTime
		case "extra_data":
			k.columns[Envelope][id] = colExtraData
		}
	}
	return k
}

func firstBeyondASCII(key string) int {
	for _, c := range []byte(key) {
		if c >= utf8.RuneSelf {
			return 1
		}
	}
	return 0
}

func columnOf(columns map[string]int, key string) int16 {
	if col, ok := columns[key]; ok {
		return int16(col)
	}
	return noColumn
}

// id returns the id of a key.
func (k *keyTable) id(key []byte) keyID {
	for slot := hashKey(key); ; slot++ {
		id := k.slots[slot%len(k.slots)]
		if id == 0 || k.names[id] == string(key) {
			return id
		}
	}
}

// identify notes the ids of all keys, as scan does, for nodes that the library
// has found.
func identify(nodes []node, src []byte) {
	for i := range nodes {
		if nodes[i].kind != '{' {
			continue
		}
		for j := i + 1; j < int(nodes[i].next); j = int(nodes[j+1].next) {
			nodes[j].key = keys.id(text(src, &nodes[j]))
		}
	}
}

// hashKey returns a number below 512 that is mostly another for another key:
// its length and both its ends tell one from most others.
func hashKey(key []byte) int {
	var first, last uint64
	switch n := len(key); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		first, last = uint64(key[0]), uint64(key[n/2])<<8|uint64(key[n-1])
	}
	return int((first ^ bits.RotateLeft64(last, 29) ^ uint64(len(key))) * 0x9e3779b97f4a7c15 >> 55)
}
