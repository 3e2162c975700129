package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// fieldCounts is an observer of unknown fields.
type fieldCounts struct {
	unobserved
	mu     sync.Mutex
	events map[string]int
}

func (c *fieldCounts) UnknownField(part transform.Part, key string, events int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events[part.String()+"."+key] += events
}

// Messages with unknown keys, in many batches and on all workers. Catches
// counts that are lost with a batch, or at the end, a first sighting that is
// logged by every worker or for every batch, and names without bound: they
// are labels of a metric.
func TestUnknownFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 600
		counts := &fieldCounts{events: map[string]int{}}
		var log bytes.Buffer
		var msgs []*Message
		for i := range n {
			m := message(i)
			m.Data = bytes.Replace(m.Data, []byte(`"extra_data":{`),
				fmt.Appendf(nil, `"openplatform":"secret value","extra_data":{"own-%d":1,"shared":1,`, i), 1)
			msgs = append(msgs, m)
		}
		settler := newRecorder()
		p := start(Config{Sink: sinktest.NewMemory(t), MaxRows: 20, Observer: counts, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		err := p.Run(t.Context(), source(func(ctx context.Context, submit Submit) error {
			for i := range msgs {
				if err := submit(ctx, msgs[i:i+1], settler); err != nil {
					return err
				}
			}
			time.Sleep(time.Second)
			return nil
		}))
		if err != nil || settler.count(Written) != n {
			t.Fatalf("%d written, %v", settler.count(Written), err)
		}
		if counts.events["envelope.openplatform"] != n || counts.events["extra_data.shared"] != n {
			t.Errorf("openplatform in %d, shared in %d events, want %d", counts.events["envelope.openplatform"], counts.events["extra_data.shared"], n)
		}
		names, others := 0, counts.events["extra_data."+transform.OtherField]
		for name := range counts.events {
			if !strings.Contains(name, transform.OtherField) {
				names++
			}
		}
		if names != maxUnknown || others != n-maxUnknown+2 {
			t.Errorf("%d names and %d others, want %d and %d", names, others, maxUnknown, n-maxUnknown+2)
		}
		if name, first := p.unknown.meet(transform.Envelope, "one more"); name != transform.OtherField || first {
			t.Errorf("one key more is told as %q", name)
		}
		if got := strings.Count(log.String(), "unknown field"); got != maxUnknown {
			t.Errorf("%d lines of log, want one a name", got)
		}
		if line := `level=INFO msg="unknown field" part=envelope field=openplatform`; strings.Count(log.String(), line) != 1 {
			t.Errorf("not once in the log: %s", line)
		}
		if strings.Contains(log.String(), "secret") {
			t.Error("a value is in the log")
		}
	})
}
