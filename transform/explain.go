package transform

// An Explanation tells what became of every part of an event, and why. It is
// for people: its words may change, and making it is slow. Values are as the
// rows hold them, so nothing is told that the field policy hides.
type Explanation struct {
	Event      Event                // an erased entity's has nothing but this
	EventType  string               // as the rows hold it
	ObjectName string               // likewise; "" is NULL
	EntityID   string               // likewise; "" is NULL
	Keys       []ExplainedKey       // every key of the envelope and then of extra_data, in the order sent
	Fields     []ExplainedField     // every key of mapping_data, in byte order
	Dimensions []ExplainedDimension // all four, in the order of their rows
	Labels     []ExplainedLabel     // the keys of mapping_data_text that no row uses, in byte order
	Rows       []ExplainedRow       // the rows it became, in order
}

// Fate says where the value of a key went.
type Fate string

// The fates.
const (
	Held    Fate = "held"    // its column holds it
	Empty   Fate = "empty"   // it is null, "" or an empty list, and its column NULL
	Refused Fate = "refused" // its column cannot hold it: it is in extra
	Unknown Fate = "unknown" // no column is made for the key: it is in extra
	Dropped Fate = "dropped" // the field policy drops it
	Opened  Fate = "opened"  // extra_data itself: its keys are listed by themselves
)

// An ExplainedKey is a key of the event with what became of it.
type ExplainedKey struct {
	Part   Part
	Name   string
	Shape  string // of its value: null, boolean, number, string, "[null, string]", "array of 3", "object of 2"
	Fate   Fate
	Column string // of events_log; "" where there is none for it
	Policy string // what the field policy does to it: drop, hash or mask; "" where it is kept
	Why    string // in words; may be empty where the fate says it all
}

// An ExplainedField is a field of mapping_data with the change that it gives.
type ExplainedField struct {
	Name   string
	Shape  string           // as in [ExplainedKey]
	Change *ExplainedChange // nil where it gives none
	Policy string           // as in [ExplainedKey]
	Why    string           // how it was read, or why it gives no change
}

// An ExplainedChange is an element of the column changes; nil is NULL.
type ExplainedChange struct {
	BeforeValue, AfterValue *string
	BeforeLabel, AfterLabel *string
}

// An ExplainedDimension is what the event says about one of the dimensions.
type ExplainedDimension struct {
	Name       string
	Expected   bool                 // a row of it might be expected: the event's type or mapping_data speaks of it
	Transition *ExplainedTransition // nil where there is none
	Why        string               // the rule that made it, or why there is none
}

// An ExplainedTransition is a row of transitions_log; nil is NULL.
type ExplainedTransition struct {
	From, To           *string
	FromLabel, ToLabel *string
	Origin             string
}

// An ExplainedLabel is a label that no row uses.
type ExplainedLabel struct {
	Field string
	Why   string
}

// An ExplainedRow is a row with its encoded size, which is [MaxRow] at most.
type ExplainedRow struct {
	Table TableID
	Bytes int
}

// Explain does what [Transformer.Transform] does, with the same results, and
// tells how. The explanation is nil where there is an error. It shares no
// memory with the payload.
func (t *Transformer) Explain(dst *Rows, payload []byte, d Delivery) (*Explanation, error) {
	defer t.release(len(payload))
	mark := dst.Mark()
	event, err := t.transform(dst, payload, d)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Event: event}
	if event.Erased {
		return e, nil
	}
	x := t.explainer(payload, explained(dst, EventsLog, mark[EventsLog]))
	e.EventType, _ = x.event[colEventType].(string)
	e.ObjectName, _ = x.event[colObjectName].(string)
	e.EntityID, _ = x.event[colEntityID].(string)
	e.Keys = x.keys()
	e.Fields = x.fields()
	e.Dimensions = x.dimensions(dst, mark[TransitionsLog])
	e.Labels = x.unusedLabels(e)
	for id, first := range mark {
		for i := first; i < dst.Len(TableID(id)); i++ {
			e.Rows = append(e.Rows, ExplainedRow{TableID(id), len(dst.Row(TableID(id), i))})
		}
	}
	return e, nil
}

// An explainer looks at what a Transformer has found of an event, and at the
// row that came of it: what happened is read off these, never decided anew.
type explainer struct {
	*Transformer
	event []any // values of the row of events_log

	// The event as sent: the Transformer's own is that without what the
	// policy hides.
	sent      []byte
	sentNodes []node
}

func (t *Transformer) explainer(payload []byte, event []any) *explainer {
	x := &explainer{Transformer: t, event: event, sent: t.src, sentNodes: t.nodes}
	if t.redactor != nil {
		var r reader
		x.sent = payload
		x.sentNodes, _ = r.read(nil, payload) // it has been read before
	}
	return x
}

// explained returns the values of a row that was encoded here.
func explained(rows *Rows, id TableID, i int) []any {
	values, err := id.Table().Values(nil, rows.Row(id, i))
	if err != nil {
		panic("transform: explain: " + err.Error())
	}
	return values
}
