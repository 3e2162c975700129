package replay

import (
	"encoding/hex"
	"errors"
	"time"

	"leadsync/transform"
)

// A Fate is what becomes of a letter that is replayed.
type Fate string

// The fates. The first three mend a letter.
const (
	Written   Fate = "written"
	Duplicate Fate = "duplicate"  // the event is there already
	Filtered  Fate = "filtered"   // left out: it names an entity that was erased
	Dead      Fate = "dead"       // it died again
	Hidden    Fate = "hidden"     // a field policy hid a part of it: not tried
	Torn      Fate = "torn"       // a part of its payload is missing: not tried
	GivenBack Fate = "given_back" // nothing is known: the replay was interrupted
)

// Fates lists every fate.
var Fates = [...]Fate{Written, Duplicate, Filtered, Dead, Hidden, Torn, GivenBack}

// Mends reports whether a letter with that fate needs nothing more.
func (f Fate) Mends() bool { return f == Written || f == Duplicate || f == Filtered }

// A Verdict is what becomes of a letter, and why.
type Verdict struct {
	Fate      Fate
	EventID   string               // of the event that it becomes; "" for none
	Rejection *transform.Rejection // why it dies again; nil if it does not
}

// A Judge tells what this version would make of letters. It writes nothing and
// is for one goroutine.
type Judge struct {
	transformer *transform.Transformer
	erased      *transform.Erased
	rows        transform.Rows
}

// NewJudge returns a judge by these settings.
func NewJudge(o transform.Options) *Judge {
	return &Judge{transformer: transform.New(o), erased: o.Erased}
}

// Judge returns what would become of a letter: Written, Filtered, Dead, or Torn
// or Hidden for one that cannot be tried. now is what an event's time is measured against.
//
// A letter of which a field policy has hidden a part is Hidden. What is left of
// it may still be an event, but another one: it would stand beside the original
// should that be sent again.
func (j *Judge) Judge(l *Letter, now time.Time) Verdict {
	switch {
	case l.Torn:
		return Verdict{Fate: Torn}
	case !l.IsWhole():
		return Verdict{Fate: Hidden}
	}
	j.rows.Reset()
	event, err := j.transformer.Transform(&j.rows, l.Payload, transform.Delivery{
		MessageID: l.MessageID, PublishedAt: l.PublishedAt, IngestedAt: now, Source: IngestSource,
	})
	var rejection *transform.Rejection
	switch {
	case errors.As(err, &rejection) && j.erased.Mentions(l.Payload):
		return Verdict{Fate: Filtered}
	case err != nil:
		return Verdict{Fate: Dead, Rejection: rejection}
	case event.Erased:
		return Verdict{Fate: Filtered}
	default:
		return Verdict{Fate: Written, EventID: hex.EncodeToString(event.ID[:])}
	}
}

// IngestSource is how rows and the ledger tell of replays: the pipeline's that
// a [Source] feeds.
const IngestSource = "replay"
