package simulate

import "container/heap"

// A queue hands things out by time, and in the order in which they came
// where times are equal.
type queue[T any] struct {
	items items[T]
	count uint64
}

type item[T any] struct {
	at    int64
	order uint64
	thing T
}

func (q *queue[T]) push(at int64, thing T) {
	q.count++
	heap.Push(&q.items, &item[T]{at, q.count, thing})
}

// next returns the time of what pop returns next.
func (q *queue[T]) next() (at int64, ok bool) {
	if len(q.items) == 0 {
		return 0, false
	}
	return q.items[0].at, true
}

func (q *queue[T]) pop() T { return heap.Pop(&q.items).(*item[T]).thing }

// items is the [heap.Interface] of a queue.
type items[T any] []*item[T]

func (s items[T]) Len() int { return len(s) }

func (s items[T]) Less(i, j int) bool {
	if s[i].at != s[j].at {
		return s[i].at < s[j].at
	}
	return s[i].order < s[j].order
}

func (s items[T]) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

func (s *items[T]) Push(x any) { *s = append(*s, x.(*item[T])) }

func (s *items[T]) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return x
}
