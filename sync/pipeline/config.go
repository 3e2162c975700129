package pipeline

import (
	"context"
	"log/slog"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// Config are the settings of a [Pipeline].
type Config struct {
	Sink         sinks.Sink
	Transform    transform.Options
	IngestSource string // "pubsub", "push", "backfill" or "replay"

	// A batch ends at the first of the three: so many messages, so many
	// bytes of encoded rows, so long since its first message. Zero values
	// take the defaults: 500, 1 MiB and 250 ms.
	MaxRows  int
	MaxBytes int
	MaxDelay time.Duration

	// InFlight is how many batches may be on their way to the sink at once.
	// The default is 8.
	InFlight int

	// DrainTimeout bounds how long writes may go on once the context is
	// done; what is not durable then is given back. The default is 8 s.
	DrainTimeout time.Duration

	// DuplicateWindow is how many of the latest events and dead letters are
	// remembered for up to 10 minutes once they are durable, so that another
	// message about one of them is a duplicate at once and its rows are not
	// written again, unless it is the first to tell when the event was
	// published. It takes 20 to 50 bytes each. 0: none are.
	//
	// Rows that somebody deletes from the warehouse meanwhile are not brought
	// back by messages that come within that time.
	DuplicateWindow int

	// Wants tells whether an event is wanted; one that is not is filtered.
	// It is called concurrently, and the event is valid until it returns.
	// nil: all are. What is no event becomes a dead letter, wanted or not.
	Wants func(*transform.Event) bool

	// Origin returns the attributes of a message's dead letter: what its
	// source knows of it beyond those that it carries. It is called
	// concurrently, for dead messages alone. nil: the message's own.
	Origin func(*Message) map[string]string

	// Letters is where dead letters go besides their table. nil: nowhere.
	Letters Letters

	// Now is the clock that rows are stamped by. nil: [time.Now].
	Now func() time.Time

	WorkerID      string // names this process in the ledger
	WorkerVersion string
	Logger        *slog.Logger // nil: nothing is logged
	Observer      Observer     // nil: nothing is observed
}

// Letters takes dead letters once they stand in their table. Its methods may be
// called concurrently.
type Letters interface {
	// Publish hands on the rows of dead_letters that rows holds. It retries by
	// itself until ctx ends; their messages are held meanwhile. nil means that
	// all were handed on for good; after an error some may have been, and the
	// same ones may come again.
	Publish(ctx context.Context, rows *transform.Rows) error
}

// An Observer is told what happens, for metrics. Its methods may be called
// concurrently and must return at once.
type Observer interface {
	Received(messages int)
	Settled(outcome Outcome, messages int)
	DeadLetter(reason transform.Reason)
	// UnknownField is told of a key of the source that no column holds, and
	// in how many events it was, once a batch. There are at most 200 keys;
	// others come together as [transform.OtherField].
	UnknownField(part transform.Part, key string, events int)
	// BatchClosed is told of every batch when it goes to the sink: rows and
	// bytes of all tables, age since its first message.
	BatchClosed(rows, bytes int, age time.Duration)
	// Durable is told of every message published at a known time how long
	// after that it was durable.
	Durable(sincePublish time.Duration)
}

// setDefaults fills what was left zero.
func (cfg *Config) setDefaults() {
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 500
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 1 << 20
	}
	if cfg.MaxDelay <= 0 {
		cfg.MaxDelay = 250 * time.Millisecond
	}
	if cfg.InFlight <= 0 {
		cfg.InFlight = 8
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = 8 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Observer == nil {
		cfg.Observer = unobserved{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

type unobserved struct{}

func (unobserved) Received(int)                             {}
func (unobserved) Settled(Outcome, int)                     {}
func (unobserved) DeadLetter(transform.Reason)              {}
func (unobserved) UnknownField(transform.Part, string, int) {}
func (unobserved) BatchClosed(int, int, time.Duration)      {}
func (unobserved) Durable(time.Duration)                    {}
