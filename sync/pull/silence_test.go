package pull

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// scene plays seconds of silence and returns the steps taken, "5 recycle".
type scene struct {
	silence
	sight
	begun   time.Time
	waiting bool // a message waits that no stream brings
	steps   []string
}

func newScene() *scene {
	begun := time.Unix(1e9, 0)
	return &scene{
		silence: silence{patience: 8 * time.Second, since: begun},
		sight:   sight{now: begun, opened: begun, open: true},
		begun:   begun,
	}
}

func (c *scene) play(seconds int) {
	for range seconds {
		c.now = c.now.Add(time.Second)
		at := int(c.now.Sub(c.begun) / time.Second)
		switch c.next(c.sight) {
		case recycle:
			c.steps = append(c.steps, fmt.Sprint(at, " recycle"))
			c.reopen()
		case ask:
			c.steps = append(c.steps, fmt.Sprint(at, " ask"))
			if c.asked(c.waiting) {
				c.reopen()
			}
		case wait:
		}
	}
}

// reopen is what the library does about a recycled stream.
func (c *scene) reopen() {
	c.open = false
	if c.next(c.sight) != wait {
		c.steps = append(c.steps, "a step without a stream")
	}
	c.open, c.opened = true, c.now
}

func (c *scene) expect(t *testing.T, steps ...string) {
	t.Helper()
	if !slices.Equal(c.steps, steps) {
		t.Errorf("steps %q, want %q", c.steps, steps)
	}
}

// Streams that are silent because nothing waits must be recycled and asked
// about once in a while, and never be called stuck.
func TestSilenceOfNothing(t *testing.T) {
	c := newScene()
	c.play(40)
	c.expect(t, "8 recycle", "16 ask", "24 recycle", "32 ask", "40 recycle")
	if c.stuck() {
		t.Error("stuck")
	}
}

// Streams that bring none of what waits must be recycled, asked about with
// growing suspicion, and called stuck; and no longer so once they bring something.
func TestSilenceOfMuch(t *testing.T) {
	c := newScene()
	c.waiting = true
	c.play(19)
	c.expect(t, "8 recycle", "16 ask", "18 ask")
	if c.stuck() {
		t.Error("stuck after two messages")
	}
	c.play(1)
	c.expect(t, "8 recycle", "16 ask", "18 ask", "20 ask")
	if !c.stuck() {
		t.Error("not stuck after three messages")
	}
	c.play(2)
	if !c.stuck() {
		t.Error("no longer stuck although nothing has changed")
	}
	c.brought = c.now.Add(time.Second)
	c.play(2)
	if c.stuck() {
		t.Error("still stuck although a stream brought a message")
	}
}

// One message that no stream brought is no proof: it came while none was
// open, or was given to whoever asked first.
func TestSilenceOfOne(t *testing.T) {
	c := newScene()
	c.waiting = true
	c.play(17)
	c.waiting = false
	c.play(24)
	c.expect(t, "8 recycle", "16 ask", "18 ask", "26 recycle", "34 ask")
	if c.stuck() {
		t.Error("stuck")
	}
}

// Nothing must be done while there is a cause to be silent, and the silence
// begins anew after it.
func TestSilenceForCause(t *testing.T) {
	for name, test := range map[string]struct {
		begin, end func(*scene)
		want       []string
	}{
		"messages come":    {func(c *scene) { c.brought = c.now }, nil, []string{"15 recycle"}},
		"no stream":        {func(c *scene) { c.open = false }, func(c *scene) { c.open = true }, []string{"25 recycle"}},
		"no connection":    {func(c *scene) { c.cause = true }, func(c *scene) { c.cause = false }, []string{"25 recycle"}},
		"work under way":   {func(c *scene) { c.busy = true }, func(c *scene) { c.busy = false }, []string{"25 recycle"}},
		"just opened":      {func(c *scene) { c.opened = c.now }, nil, []string{"15 recycle"}},
		"watch turned off": {func(c *scene) { c.patience = 0 }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newScene()
			c.play(7)
			test.begin(c)
			if test.end == nil {
				c.play(8)
			} else {
				c.play(10)
				test.end(c)
				c.play(8)
			}
			c.expect(t, test.want...)
		})
	}
}
