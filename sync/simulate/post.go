package simulate

import (
	"math/rand/v2"
	"time"
)

// A message is a delivery with what only its truth needs.
type message struct {
	Delivery
	kind  string // event_type
	tells tells
}

// The post is the way from the platform to the topic: it takes a moment,
// sometimes hours, and sometimes sends a message twice.
type post struct {
	rng        *rand.Rand
	now        int64 // milliseconds
	clean      bool
	bag        queue[message]
	attributes map[string]map[string]string // by event_type
}

func newPost(rng *rand.Rand, now int64, clean bool) post {
	return post{rng: rng, now: now * 1000, clean: clean, attributes: map[string]map[string]string{}}
}

// next returns the next message to be published, if there is one for which
// nothing that happens from clock on can be published before it; at the end
// whatever is left.
func (p *post) next(clock int64, end bool) (message, bool) {
	if at, ok := p.bag.next(); ok && (end || at < clock*1000) {
		return p.bag.pop(), true
	}
	return message{}, false
}

// send takes the message of an event that happened at that second.
func (p *post) send(m message, at int64) {
	m.OccurredAt = time.Unix(at, 0).UTC()
	m.Attributes = p.attributesOf(m.kind)
	if p.clean {
		p.put(m, at*1000)
		return
	}
	publish := at*1000 + 200 + p.rng.Int64N(3000)
	if m.Late = p.rng.Float64() < 0.02; m.Late {
		publish += p.within(10*time.Minute, 8*time.Hour)
	}
	p.put(m, publish)
	if m.Poison == "" && p.rng.Float64() < 0.03 {
		p.again(m, publish)
	}
}

// again sends a copy some time after the message was published.
func (p *post) again(m message, published int64) {
	m.Copy, m.Late = true, p.rng.Float64() < 0.2
	if m.Late {
		published += p.within(10*time.Minute, 8*time.Hour)
	} else {
		published += p.within(time.Second, time.Minute)
	}
	if p.rng.Float64() < 0.25 {
		m.Payload = escaped(m.Payload)
	}
	p.put(m, published)
}

// put puts the message into the bag, to be published at that millisecond but
// not after now.
func (p *post) put(m message, at int64) {
	at = min(at, p.now)
	m.PublishedAt = time.UnixMilli(at).UTC()
	p.bag.push(at, m)
}

// within returns a time between the two, in milliseconds.
func (p *post) within(from, to time.Duration) int64 {
	return from.Milliseconds() + p.rng.Int64N((to - from).Milliseconds())
}

func (p *post) attributesOf(kind string) map[string]string {
	a := p.attributes[kind]
	if a == nil {
		a = map[string]string{"mid": TenantID, "event_type": kind}
		p.attributes[kind] = a
	}
	return a
}
