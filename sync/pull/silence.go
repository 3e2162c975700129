package pull

import "time"

// A silence is the watch for streams that are open and bring nothing though
// messages wait, which they never tell. It is told what there is to see, and
// tells what to do. It belongs to one goroutine.
//
// The first step after a while of silence is to recycle the streams, which
// harms nothing where no message waits. Where the new ones are silent too, one
// message is asked for apart from them: if none comes, none waits. If one
// comes, streams are recycled and it is asked for another soon; when that has
// brought messages maxStrikes times and the streams none, they are stuck.
type silence struct {
	patience time.Duration // 0: no watch

	since    time.Time // the silence has lasted
	recycled bool      // in this silence
	strikes  int       // messages brought apart from streams in a row
}

const maxStrikes = 3

// A step is what is to be done about a silence.
type step uint8

const (
	wait    step = iota
	recycle      // the streams
	ask          // for one message apart from the streams; then [silence.asked]
)

// A sight is what there is to see of the streams.
type sight struct {
	now     time.Time
	brought time.Time // a stream last brought a message
	opened  time.Time // the last stream was opened
	open    bool      // a stream is open
	busy    bool      // messages are being worked on: there may be no room for more
	cause   bool      // there is a known cause for bringing nothing
}

// next returns what to do.
func (s *silence) next(v sight) step {
	switch {
	case s.patience == 0:
		return wait
	case v.cause:
		*s = silence{patience: s.patience, since: v.now}
		return wait
	case v.brought.After(s.since):
		*s = silence{patience: s.patience, since: v.brought}
	}
	if v.busy || !v.open {
		s.since = v.now
	}
	// A recycled stream has to have had its time.
	if v.opened.After(s.since) {
		s.since = v.opened
	}
	patience := s.patience
	if s.strikes > 0 {
		patience /= 4
	}
	if v.now.Sub(s.since) < patience {
		return wait
	}
	s.since = v.now
	if !s.recycled {
		s.recycled = true
		return recycle
	}
	return ask
}

// asked takes in whether asking brought a message, and reports whether to
// recycle the streams.
func (s *silence) asked(brought bool) bool {
	if !brought {
		s.strikes, s.recycled = 0, false
		return false
	}
	s.strikes = min(s.strikes+1, maxStrikes)
	return true
}

// stuck reports that messages wait and the streams do not bring them.
func (s *silence) stuck() bool { return s.strikes >= maxStrikes }
