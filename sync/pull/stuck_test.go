package pull

import (
	"testing"
	"time"

	"leadsync/sinks/sinktest"
)

// Streams that bring nothing any more must be replaced without anybody's
// help, and what they should have brought come once.
func TestRecyclesStalledStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Second)
	r.publish(20)
	r.settled()
	r.server.Stall()
	r.publish(20)
	for end := time.Now().Add(30 * time.Second); r.server.Stats().Unacked > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := r.source.Ready(); err != nil {
			t.Fatalf("a stream that is recycled is told as an outage: %v", err)
		}
	}
	r.settled()
	if n := r.source.Recycles(); n == 0 {
		t.Error("no stream was recycled")
	}
	if err := r.source.Alive(); err != nil {
		t.Error(err)
	}
	if n := r.server.Stats().Pulls; n > 0 {
		t.Logf("%d messages were asked for", n)
	}
	r.stop()
}

// When recycled streams bring none of what waits either, the source must say
// that only a restart helps, lose nothing of what it asked for to find out,
// and take it back once streams bring something.
func TestStuckStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Second)
	r.publish(20)
	r.settled()
	r.server.Silence(true)
	r.publish(50)
	eventually(t, "only a restart helps", func() bool { return r.source.Alive() != nil })
	if err := r.source.Ready(); err == nil {
		t.Error("stuck and ready")
	}
	t.Log(r.source.Alive(), r.server.Stats())
	if n := r.server.Stats().Pulls; n < maxStrikes {
		t.Errorf("called stuck after %d messages", n)
	}
	r.server.Silence(false)
	r.settled()
	eventually(t, "alive", func() bool { return r.source.Alive() == nil && r.source.Ready() == nil })
	r.stop()
}

// A server that answers nothing at all for long calls for a new connection,
// which a restart brings.
func TestStuckConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Second)
	r.publish(20)
	r.settled()
	begun := time.Now()
	r.server.Hang(true)
	r.red("DeadlineExceeded")
	eventually(t, "only a restart helps", func() bool { return r.source.Alive() != nil })
	if took := time.Since(begun); took < 10*time.Second {
		t.Errorf("asked for a restart after %v", took)
	}
	r.server.Hang(false)
	r.publish(20)
	r.settled()
	eventually(t, "alive", func() bool { return r.source.Alive() == nil && r.source.Ready() == nil })
	r.stop()
}

// A refusing server is an outage, however long: a restart would not help.
func TestOutageIsNotStuck(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Second)
	r.publish(20)
	r.settled()
	r.server.Down(true)
	r.publish(20)
	for end := time.Now().Add(17 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := r.source.Alive(); err != nil {
			t.Fatal(err)
		}
	}
	r.server.Down(false)
	r.settled()
	r.stop()
}

// A quiet subscription must stay whole under a watchdog that never sleeps: no
// delivery lost or repeated, no alarm.
func TestRecyclingIsHarmless(t *testing.T) {
	t.Parallel()
	r := newRig(t, 300*time.Millisecond)
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		r.publish(1 + r.sent%7)
		time.Sleep(time.Duration(r.sent*r.sent%1500) * time.Millisecond)
		if err := r.source.Alive(); err != nil {
			t.Fatal(err)
		}
		if err := r.source.Ready(); err != nil {
			t.Fatal(err)
		}
	}
	r.settled()
	if n := r.source.Recycles(); n < 5 {
		t.Errorf("only %d recycles in 15 s", n)
	}
	t.Logf("%d messages, %d recycles, %d pulls", r.sent, r.source.Recycles(), r.server.Stats().Pulls)
	r.stop()
}

// Work under way is no silence: streams must not be recycled while the
// warehouse keeps the pipeline full.
func TestHoldIsNoSilence(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := newRig(t, 500*time.Millisecond, sinktest.Hold(release))
	r.publish(20)
	eventually(t, "all taken", func() bool { return r.worker.Outstanding() == 20 })
	before := r.source.Recycles()
	time.Sleep(4 * time.Second)
	if n := r.source.Recycles() - before; n > 0 {
		t.Errorf("%d recycles", n)
	}
	close(release)
	r.settled()
	r.stop()
}
