package main

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"leadsync/sync/backfill"
)

// How often it is told how a backfill is going: on a terminal, and to the log.
const (
	shownEvery  = 200 * time.Millisecond
	loggedEvery = 10 * time.Second
)

// showProgress tells on a terminal, in a line that changes, how it is going
// until stop is called.
func showProgress(line *liveLine, read func() backfill.Progress) (stop func()) {
	var p pace
	end := every(shownEvery, func(now time.Time) {
		p.add(now, read())
		line.show(p.line())
	})
	return func() {
		end()
		line.clear()
	}
}

// logProgress tells the log how it is going until stop is called.
func logProgress(logger *slog.Logger, read func() backfill.Progress) (stop func()) {
	var p pace
	p.add(time.Now(), read())
	return every(loggedEvery, func(now time.Time) {
		p.add(now, read())
		bytes, records := p.speeds()
		attributes := []any{
			"bytes", p.last.Bytes, "total_bytes", p.last.TotalBytes, "percent", p.percent(),
			"records", p.last.Records, "dead", p.last.Dead, "pieces_already_there", p.last.Skipped,
			"events_per_second", int64(records), "bytes_per_second", int64(bytes),
		}
		if left, ok := p.left(); ok {
			attributes = append(attributes, "seconds_left", int64(left/time.Second))
		}
		logger.Info("backfill progress", attributes...)
	})
}

// every calls f in a goroutine of its own, until stop is called; f has then
// returned for the last time.
func every(d time.Duration, f func(now time.Time)) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				f(now)
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

// A pace tells how fast a backfill is, by what it did lately.
type pace struct {
	last   backfill.Progress
	points []pacePoint
}

// A pacePoint is how far it was at a time.
type pacePoint struct {
	at             time.Time
	bytes, records int64
}

// paceSpan is how far back a pace looks: long enough that a commit now and
// then does not show, short enough that it follows what is so.
const paceSpan = 30 * time.Second

// add takes down how far it is.
func (p *pace) add(now time.Time, progress backfill.Progress) {
	p.last = progress
	p.points = append(p.points, pacePoint{now, progress.Bytes, progress.Records})
	for len(p.points) > 2 && now.Sub(p.points[1].at) >= paceSpan {
		p.points = p.points[1:]
	}
}

// speeds returns bytes and records a second.
func (p *pace) speeds() (bytes, records float64) {
	if len(p.points) < 2 {
		return 0, 0
	}
	from, to := p.points[0], p.points[len(p.points)-1]
	took := to.at.Sub(from.at).Seconds()
	if took <= 0 {
		return 0, 0
	}
	return float64(to.bytes-from.bytes) / took, float64(to.records-from.records) / took
}

// left returns how long it will take from here, if that can be told.
func (p *pace) left() (time.Duration, bool) {
	bytes, _ := p.speeds()
	rest := p.last.TotalBytes - p.last.Bytes
	if p.last.TotalBytes <= 0 || bytes <= 0 || rest < 0 {
		return 0, false
	}
	seconds := float64(rest) / bytes
	if seconds > 1e8 { // some years
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// percent returns how much was read, of 100; 0 where the whole is not known.
func (p *pace) percent() int64 {
	if p.last.TotalBytes <= 0 {
		return 0
	}
	return min(100, p.last.Bytes*100/p.last.TotalBytes)
}

// line tells a person how it is going. It fits on a terminal of 80 columns.
func (p *pace) line() string {
	words := []string{sized(p.last.Bytes) + " read"}
	if p.last.TotalBytes > 0 {
		words[0] = fmt.Sprintf("%s of %s (%d%%)", sized(p.last.Bytes), sized(p.last.TotalBytes), p.percent())
	}
	_, records := p.speeds()
	words = append(words, grouped(int64(records))+" events/s")
	if left, ok := p.left(); ok {
		words = append(words, lasting(left)+" left")
	}
	return strings.Join(append(words, grouped(p.last.Dead)+" dead"), ", ")
}

// sized writes a number of bytes for people.
func sized(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/unit, "KMGTPE"
	for value >= 999.95 && len(units) > 1 {
		value, units = value/unit, units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", value, units[0])
}
