package pulltest

import "math/rand/v2"

// A queue holds what is to be delivered, in order or shuffled.
type queue struct {
	turns []turn
	head  int
	rand  *rand.Rand // nil: in order
}

// A turn is a delivery that is due.
type turn struct {
	msg  int
	copy bool // of a storm: also of a message that is acknowledged
}

func (q *queue) push(msg int, copied bool) { q.turns = append(q.turns, turn{msg, copied}) }

func (q *queue) len() int { return len(q.turns) - q.head }

// peek returns the turn that pop removes next. There must be one.
func (q *queue) peek() turn { return q.turns[q.head] }

func (q *queue) pop() {
	q.head++
	if q.head > 1024 && q.head > len(q.turns)/2 {
		q.turns = append(q.turns[:0], q.turns[q.head:]...)
		q.head = 0
	}
	q.draw()
}

// draw puts a turn of chance in front.
func (q *queue) draw() {
	if q.rand != nil && q.len() > 1 {
		i := q.head + q.rand.IntN(q.len())
		q.turns[q.head], q.turns[i] = q.turns[i], q.turns[q.head]
	}
}
