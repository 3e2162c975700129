// Package simulate makes up a tenant of JINGdigital: leads that are created,
// handed out, followed up, won and lost, accounts beside them, and the events
// that tell of it, in the JSON that the platform sends.
//
// It is an independent source of truth for demonstrations, tests and
// benchmarks: it shares no code with the transform, says what must come of
// everything it sends ([Truth]), and the same [Options] give the same bytes.
// Every person, company, number and address is made up.
package simulate

import (
	"iter"
	"math/rand/v2"
	"time"
)

// TenantID is the id of the simulated tenant, the events' mid.
const TenantID = "90001"

// Options say what to simulate. Equal options give equal deliveries.
type Options struct {
	// Seed picks one of many tenants.
	Seed uint64

	// Events is the number of distinct events that can become rows. Copies
	// and poison come on top of it.
	Events int

	// Now is where simulated time ends. Nothing happens and nothing is
	// published after it. Its fraction of a second is dropped.
	Now time.Time

	// Span is how long before Now simulated time begins; zero means 90 days.
	Span time.Duration

	// Clean leaves out what goes wrong on the way: no copies, no late, lost
	// or poisoned messages, each event published as it happens.
	Clean bool
}

// A Delivery is one message as it is published.
type Delivery struct {
	// Payload is the event's JSON. It is never changed again; a copy may
	// share it.
	Payload []byte

	// Attributes are the message's attributes. They are shared between
	// deliveries: do not change them.
	Attributes map[string]string

	// PublishedAt is when the message is published, in simulated time to the
	// millisecond. Deliveries come in its order.
	PublishedAt time.Time

	// OccurredAt is when the event happened, to the second. It is what
	// create_time says, but for poison.
	OccurredAt time.Time

	// Copy says that the same event was published before. Its payload may be
	// written differently, with equal values.
	Copy bool

	// Late says that the message was held up for minutes or hours, so that
	// later events overtake it.
	Late bool

	// Poison is the reason code under which the message must become a dead
	// letter; empty for one that becomes rows.
	Poison string
}

// A Tenant is a simulation under way. It is not safe for concurrent use.
type Tenant struct {
	opt   Options
	rng   *rand.Rand
	start int64 // Unix seconds
	now   int64
	clock int64 // simulated time has come this far

	staff    []member
	business []coded // business types
	lives    queue[entity]
	leads    []*lead    // alive, for merges
	accounts []*account // the latest, to relate leads to
	writer   writer
	post     post
	made     int // distinct events made, published or not yet
	truth    Truth
}

// New begins the simulation. Nothing has happened yet.
func New(o Options) *Tenant {
	if o.Span <= 0 {
		o.Span = 90 * 24 * time.Hour
	}
	now := o.Now.Unix()
	t := &Tenant{
		opt:   o,
		rng:   rand.New(rand.NewPCG(o.Seed, 0x6c656164)),
		start: now - int64(o.Span/time.Second),
		now:   now,
		truth: newTruth(),
	}
	t.clock = t.start
	t.writer.rng = t.rng
	t.post = newPost(t.rng, now, o.Clean)
	for i, name := range staffNames {
		t.staff = append(t.staff, member{coded{code: t.id(), label: name}, 23800 + i, t.id()})
	}
	for _, name := range businessNames {
		t.business = append(t.business, coded{code: t.id(), label: name})
	}
	return t
}

// Deliveries lets time pass and hands over what is published, in order. It
// can be broken off and taken up again; after the end there is nothing more.
func (t *Tenant) Deliveries() iter.Seq[Delivery] {
	return func(yield func(Delivery) bool) {
		for {
			for {
				m, ok := t.post.next(t.clock, t.done())
				if !ok {
					break
				}
				t.truth.count(m)
				if !yield(m.Delivery) {
					return
				}
			}
			if t.done() {
				return
			}
			t.step()
		}
	}
}

// Truth says what has been handed over so far and what must come of it.
func (t *Tenant) Truth() Truth { return t.truth.clone() }

func (t *Tenant) done() bool { return t.made >= t.opt.Events }

// step lets the next thing happen. Event i is due at its share of the span:
// if nobody alive has anything to do by then, a lead comes in. So arrivals
// follow from how busy the living are, and the last event falls on now.
func (t *Tenant) step() {
	due := t.start + int64(float64(t.now-t.start)*float64(t.made)/float64(t.opt.Events))
	if at, ok := t.lives.next(); ok && at <= due {
		e := t.lives.pop()
		t.clock = max(t.clock, at)
		if wait := e.act(t); wait > 0 {
			t.lives.push(t.officeHours(t.clock+wait), e)
		}
		return
	}
	t.clock = max(t.clock, due)
	t.arrive()
}

// An entity is a lead or an account, alive.
type entity interface {
	// act does the next thing in the entity's life, now, and returns after
	// how many seconds it is due again; zero ends its life.
	act(t *Tenant) int64
}

// officeHours returns the time itself if people work then, between nine and
// eight from Monday to Friday in Shanghai, else a time in the next morning.
func (t *Tenant) officeHours(at int64) int64 {
	const day, zone = 86400, 8 * 3600
	days, second := (at+zone)/day, (at+zone)%day
	weekday := (days + 4) % 7 // the epoch was a Thursday
	switch {
	case weekday == 6:
		days += 2
	case weekday == 0 || second >= 20*3600:
		days++
		if weekday == 5 {
			days += 2
		}
	case second >= 9*3600:
		return at
	}
	return days*day + 9*3600 + t.rng.Int64N(2*3600) - zone
}

// chance is true in the given share of cases.
func (t *Tenant) chance(share float64) bool { return t.rng.Float64() < share }

// around returns a number of seconds around the mean, between a third of it
// and three times it, more often short than long.
func (t *Tenant) around(mean time.Duration) int64 {
	s := mean.Seconds()
	return int64(min(s/3+t.rng.ExpFloat64()*s*2/3, 3*s))
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// id makes up an id as the platform has them: 22 alphanumerics, now and then
// 21, no look-alikes.
func (t *Tenant) id() string {
	const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var b [22]byte
	for i := range b {
		b[i] = letters[t.rng.IntN(len(letters))]
	}
	if t.chance(0.05) {
		return string(b[:21])
	}
	return string(b[:])
}
