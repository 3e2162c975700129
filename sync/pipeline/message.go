package pipeline

import (
	"context"
	"time"

	"leadsync/transform"
)

// A Message is one delivery of an event.
type Message struct {
	ID          string            // the source's id of it; "" where there is none
	Data        []byte            // the event; must not change until the message is settled
	Attributes  map[string]string // nil where there are none
	PublishedAt time.Time         // zero where unknown
	Attempt     int               // deliveries so far, this one included; 0 where unknown
	EventID     [16]byte          // as in [transform.Delivery]; zero but for an event made anew from its row

	// Outcome is what became of the message. The pipeline sets it before it
	// settles the message.
	Outcome Outcome

	// Rejection says why the message is dead, nil unless its outcome is Dead.
	// The pipeline sets it like the outcome.
	Rejection *transform.Rejection

	// Receipt is the source's own: what it needs to acknowledge the message.
	Receipt any
}

func (m *Message) giveBack() { m.Outcome, m.Rejection = GivenBack, nil }

// An Outcome is what became of a message. Between being handed over and its
// outcome a message is held: also for as long as the warehouse is away.
type Outcome uint8

// The outcomes. All but GivenBack are durable: the message can be acknowledged.
const (
	GivenBack Outcome = iota // not written, or not known to be: it must be delivered again
	Written                  // its rows are durable
	Duplicate                // another message brought the same event, which is or becomes durable
	Filtered                 // left out: it names an entity that was erased, or is not wanted
	Dead                     // it stands in dead_letters
	numOutcomes
)

// Outcomes lists every outcome.
var Outcomes = [numOutcomes]Outcome{GivenBack, Written, Duplicate, Filtered, Dead}

func (o Outcome) String() string {
	return [...]string{"given_back", "written", "duplicate", "filtered", "dead"}[o]
}

// Durable reports whether nothing more is to be done for the message.
func (o Outcome) Durable() bool { return o != GivenBack }

// A Settler learns what became of messages.
type Settler interface {
	// Settle is called once for each message handed over, with many at a
	// time: those that one batch held of this settler's. Their outcomes are
	// set. It is called from several goroutines and must not block.
	Settle(msgs []*Message)
}

// Submit hands messages over to the pipeline, which settles each of them once.
// It waits while the pipeline is full: that is how back-pressure reaches a
// source. The slice may be reused as soon as it returns.
//
// An error means that the pipeline takes no more: it drained for too long or
// ctx ended. Messages that had not been taken are settled then as well, as
// given back.
type Submit func(ctx context.Context, msgs []*Message, settler Settler) error

// A Source brings messages in. Run hands them over by submit and acknowledges
// each only after it is settled. It returns nil once ctx is done and every
// message that it handed over is settled; an error means that it cannot go on,
// and holds for what it handed over just the same.
type Source interface {
	Run(ctx context.Context, submit Submit) error
}
