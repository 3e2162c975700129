package pipeline

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// windowAge is how often a window gives up its older half by age: what it
// holds is forgotten after twice as long at the latest.
const windowAge = 5 * time.Minute

// A window remembers which events, and which dead letters, were made durable
// lately, by 16 bytes of a digest each. What it has forgotten, or never took
// in, costs a copy of rows and nothing else.
//
// It has two generations. Keys go into the newer one; when that is full, or
// old enough, it becomes the older one, whose keys are forgotten together.
// Looking for a key takes no lock: a slot is written once.
type window struct {
	most int // keys in a generation

	mu          sync.Mutex // held by who adds
	generations atomic.Pointer[[2]*generation]
}

// A generation is a hash table of keys, which are their own hashes. Of every
// key three bits of a mark are set, so that a key that is not there is most
// often known by a memory so small that it stays near the processor.
type generation struct {
	slots []slot          // a power of two of them, four of five in use at most
	marks []atomic.Uint64 // one for eight slots
	used  int             // guarded by the window's mu
}

// A slot is a key in two halves. The first is stored last; 0 is a free slot.
type slot struct{ first, second atomic.Uint64 }

// maxProbes is how many slots a key may lie from its own. Digests scatter so
// well that hardly any lies further off unless it was made to do harm; such a
// one is not taken in.
const maxProbes = 256

// newWindow returns a window of so many keys at most, nil for none.
func newWindow(keys int) *window {
	if keys <= 0 {
		return nil
	}
	w := &window{most: (keys + 1) / 2}
	w.generations.Store(&[2]*generation{{}, {}})
	return w
}

// has reports whether the key was added and is not forgotten.
func (w *window) has(key [16]byte) bool {
	if w == nil {
		return false
	}
	g := w.generations.Load()
	first, second := halves(key)
	return g[0].has(first, second) || g[1].has(first, second)
}

// add takes the durable messages of a batch in.
func (w *window) add(entries []entry) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.generations.Load()[0]
	for i := range entries {
		if o := entries[i].msg.Outcome; o != Written && o != Dead {
			continue
		}
		if g.used == w.most {
			g = w.turn()
		}
		if g.slots == nil {
			g = w.fresh()
		}
		g.add(halves(entries[i].key))
	}
}

// age makes the newer generation the older one. Called every windowAge.
func (w *window) age() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn()
}

func (w *window) turn() *generation {
	g := &generation{}
	w.generations.Store(&[2]*generation{g, w.generations.Load()[0]})
	return g
}

// fresh gives the newer generation its slots: a quiet worker needs none.
func (w *window) fresh() *generation {
	size := 8
	for size < w.most*5/4 {
		size *= 2
	}
	g := &generation{slots: make([]slot, size), marks: make([]atomic.Uint64, size/8)}
	w.generations.Store(&[2]*generation{g, w.generations.Load()[1]})
	return g
}

func (g *generation) has(first, second uint64) bool {
	if len(g.slots) == 0 {
		return false
	}
	mark, bits := g.mark(second)
	return mark.Load()&bits == bits && g.find(first, second) == found
}

// mark returns where a key is marked, and the bits.
func (g *generation) mark(second uint64) (mark *atomic.Uint64, bits uint64) {
	bits = 1<<(second>>58) | 1<<(second>>52&63) | 1<<(second>>46&63)
	return &g.marks[second&uint64(len(g.marks)-1)], bits
}

// What find says besides the place of a free slot.
const (
	found   = -1
	nowhere = -2
)

// find returns found, the place where the key belongs, or nowhere.
func (g *generation) find(first, second uint64) int {
	mask := uint64(len(g.slots) - 1)
	for i := range uint64(min(maxProbes, len(g.slots))) {
		at := (first + i) & mask
		switch g.slots[at].first.Load() {
		case 0:
			return int(at)
		case first:
			if g.slots[at].second.Load() == second {
				return found
			}
		}
	}
	return nowhere
}

func (g *generation) add(first, second uint64) {
	if at := g.find(first, second); at >= 0 {
		g.slots[at].second.Store(second)
		g.slots[at].first.Store(first)
		mark, bits := g.mark(second)
		mark.Or(bits)
		g.used++
	}
}

// halves returns a key as two numbers, the first not 0.
func halves(key [16]byte) (first, second uint64) {
	return max(1, binary.LittleEndian.Uint64(key[:8])), binary.LittleEndian.Uint64(key[8:])
}
