// Package replay makes rows of dead letters after all. A [Source] hands them to
// the same pipeline that other messages go through, so that rows, ledger and
// erasures are what they would have been, and records what became of each.
//
// It proves before it tries: a letter that this version would give up on again
// is not handed over, so that a replay makes no new letters but those whose
// rows the warehouse refuses.
package replay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// Config are the settings of a [Source].
type Config struct {
	// Next returns the letters to replay next, joined, none when there are no
	// more. It is called once those before are recorded. An error of it ends
	// the replay.
	Next func(ctx context.Context) ([]*Letter, error)

	// Record makes rows of dead_letter_replays durable.
	Record func(ctx context.Context, rows *transform.Rows) error

	// Tell is told what became of each letter. It is called by one goroutine.
	Tell func(l *Letter, v Verdict)

	Transform     transform.Options // the pipeline's own
	WorkerVersion string
}

// A Source replays dead letters. It is a [pipeline.Source] for one Run, of a
// pipeline with this [IngestSource].
type Source struct {
	cfg   Config
	judge *Judge
	rows  transform.Rows
}

// NewSource returns a source.
func NewSource(cfg Config) *Source { return &Source{cfg: cfg, judge: NewJudge(cfg.Transform)} }

// recordGrace is how long what became of letters may still be recorded once
// the context is done: the pipeline has drained then.
const recordGrace = 10 * time.Second

// Run replays letters until there are no more. It returns the context's cause
// if that ends first, after what has become of the letters in hand is recorded.
//
// A letter whose fate could not be recorded is still open and will be replayed
// again: that gives copies of the same rows, which views show once.
func (s *Source) Run(ctx context.Context, submit pipeline.Submit) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		letters, err := s.cfg.Next(ctx)
		if err != nil || len(letters) == 0 {
			return err
		}
		if err := s.replay(ctx, submit, letters); err != nil {
			return err
		}
	}
}

// replay replays some letters, all at once.
func (s *Source) replay(ctx context.Context, submit pipeline.Submit, letters []*Letter) error {
	now := time.Now()
	verdicts := make([]Verdict, len(letters))
	msgs := make([]*pipeline.Message, 0, len(letters))
	var tried []int // the letters' places
	for i, l := range letters {
		if verdicts[i] = s.judge.Judge(l, now); verdicts[i].Fate == Written || verdicts[i].Fate == Filtered {
			tried = append(tried, i)
			msgs = append(msgs, &pipeline.Message{ID: l.MessageID, Data: l.Payload, Attributes: l.Attributes, PublishedAt: l.PublishedAt})
		}
	}
	err := s.try(ctx, submit, msgs)
	for i, m := range msgs {
		settle(&verdicts[tried[i]], m)
	}
	if recordErr := s.record(ctx, letters, verdicts, now); recordErr != nil {
		return fmt.Errorf("record replays: %w", recordErr)
	}
	for i, l := range letters {
		s.cfg.Tell(l, verdicts[i])
	}
	return err
}

// try hands messages over and waits until all of them are settled.
func (s *Source) try(ctx context.Context, submit pipeline.Submit, msgs []*pipeline.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	var settled settlements
	settled.Add(len(msgs))
	err := submit(ctx, msgs, &settled)
	settled.Wait()
	return err
}

// settlements counts the messages that are not settled yet.
type settlements struct{ sync.WaitGroup }

func (s *settlements) Settle(msgs []*pipeline.Message) { s.Add(-len(msgs)) }

// settle takes over what the pipeline says of a letter.
func settle(v *Verdict, m *pipeline.Message) {
	switch m.Outcome {
	case pipeline.Written:
		v.Fate = Written
	case pipeline.Duplicate:
		v.Fate = Duplicate
	case pipeline.Filtered: // it was erased this very moment, perhaps
		v.Fate, v.EventID = Filtered, ""
	case pipeline.Dead:
		v.Fate, v.EventID, v.Rejection = Dead, "", m.Rejection
	default:
		v.Fate, v.EventID = GivenBack, ""
	}
}

// record records the fates that are final.
func (s *Source) record(ctx context.Context, letters []*Letter, verdicts []Verdict, now time.Time) error {
	s.rows.Reset()
	for i, v := range verdicts {
		if !v.Fate.Mends() && v.Fate != Dead {
			continue
		}
		s.rows.AppendReplay(transform.Replay{
			DeadLetterID: letters[i].ID, ReplayedAt: now, Outcome: string(v.Fate), EventID: v.EventID,
			Rejection: v.Rejection, WorkerVersion: s.cfg.WorkerVersion,
		})
	}
	if s.rows.Total() == 0 {
		return nil
	}
	ctx, cancel := outliving(ctx, recordGrace)
	defer cancel()
	return s.cfg.Record(ctx, &s.rows)
}

// outliving returns a context that ends some time after its parent.
func outliving(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}
