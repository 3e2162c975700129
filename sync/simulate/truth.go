package simulate

import "maps"

// Truth is what a simulation has handed over and what must come of it.
// Messages = Events + Copies + all of Poison.
type Truth struct {
	Messages int            // deliveries
	Events   int            // distinct events that become rows
	Copies   int            // deliveries of an event that was published before
	Late     int            // deliveries that were held up
	Poison   map[string]int // deliveries that become dead letters, by reason code

	// Lost are events that happened and are never published, so that
	// transitions have gaps. They count as soon as they happen.
	Lost int

	// Types counts the distinct events by event_type.
	Types map[string]int

	// Transitions counts the rows of the view transitions, repeats included,
	// by dimension: each distinct event tells of a dimension at most once.
	Transitions map[string]int
}

// Dead returns how many deliveries become dead letters.
func (t Truth) Dead() int {
	n := 0
	for _, c := range t.Poison {
		n += c
	}
	return n
}

func newTruth() Truth {
	return Truth{Poison: map[string]int{}, Types: map[string]int{}, Transitions: map[string]int{}}
}

func (t *Truth) clone() Truth {
	c := *t
	c.Poison, c.Types, c.Transitions = maps.Clone(t.Poison), maps.Clone(t.Types), maps.Clone(t.Transitions)
	return c
}

func (t *Truth) count(m message) {
	t.Messages++
	if m.Late {
		t.Late++
	}
	switch {
	case m.Poison != "":
		t.Poison[m.Poison]++
	case m.Copy:
		t.Copies++
	default:
		t.Events++
		t.Types[m.kind]++
		for d, told := range m.tells {
			if told {
				t.Transitions[dimensions[d].name]++
			}
		}
	}
}
