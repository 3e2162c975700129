package pipeline

import (
	"sync"

	"leadsync/transform"
)

// maxUnknown bounds how many unknown fields are told by name.
const maxUnknown = 200

// unknownFields are the fields of the source that no column holds, as far as
// the process has met them, in any worker.
type unknownFields struct {
	mu  sync.Mutex
	met map[unknownField]struct{}
}

type unknownField struct {
	part transform.Part
	key  string
}

// meet returns the name by which the field is told, and whether this is the
// first that is heard of it.
func (u *unknownFields) meet(part transform.Part, key string) (name string, first bool) {
	if key == transform.OtherField {
		return key, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	f := unknownField{part, key}
	if _, met := u.met[f]; met {
		return key, false
	}
	if len(u.met) >= maxUnknown {
		return transform.OtherField, false
	}
	if u.met == nil {
		u.met = make(map[unknownField]struct{})
	}
	u.met[f] = struct{}{}
	return key, true
}

// tellUnknown tells the observer of the unknown fields that the worker's
// transformer has met since the last time, and the log of new ones.
func (p *Pipeline) tellUnknown(t *transform.Transformer) {
	t.TakeUnknown(func(part transform.Part, key string, events int) {
		name, first := p.unknown.meet(part, key)
		if first {
			p.cfg.Logger.Info("unknown field", "part", part.String(), "field", name)
		}
		p.cfg.Observer.UnknownField(part, name, events)
	})
}
