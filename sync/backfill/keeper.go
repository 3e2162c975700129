package backfill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A keeper writes checkpoints of pieces that are durable.
type keeper struct {
	cfg  *Config
	wait time.Duration // between two writes

	mu     sync.Mutex
	pieces []*piece // not written yet
	kept   int
	more   chan struct{}
}

func newKeeper(cfg *Config) *keeper {
	return &keeper{cfg: cfg, wait: 200 * time.Millisecond, more: make(chan struct{}, 1)}
}

// put takes a piece. It returns at once.
func (k *keeper) put(p *piece) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pieces = append(k.pieces, p)
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// run writes what comes, several pieces at a time, until done is closed and all
// is written.
func (k *keeper) run(ctx context.Context, done <-chan struct{}) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-done:
			return k.write(ctx)
		case <-k.more:
		}
		if err := k.write(ctx); err != nil {
			return err
		}
		pause.Reset(k.wait)
		select {
		case <-done:
		case <-pause.C:
		}
	}
}

// write writes the checkpoints of the pieces that have come.
func (k *keeper) write(ctx context.Context) error {
	k.mu.Lock()
	pieces := k.pieces
	k.pieces = nil
	k.mu.Unlock()
	if len(pieces) == 0 {
		return nil
	}
	if !k.cfg.DryRun {
		var rows transform.Rows
		for _, p := range pieces {
			rows.AppendCheckpoint(p.checkpoint(k.cfg))
		}
		if err := k.cfg.Sink.Write(ctx, &rows); err != nil {
			if refused := (sinks.RowErrors)(nil); errors.As(err, &refused) {
				return fmt.Errorf("the warehouse refuses checkpoints: %w", refused)
			}
			return fmt.Errorf("write checkpoints: %w", err)
		}
	}
	k.kept += len(pieces)
	return nil
}

// outlive returns a context that ends so long after ctx: what is durable is
// worth a checkpoint.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var mu sync.Mutex
	var timer *time.Timer
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(grace, cancel)
	})
	return longer, func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
		cancel()
	}
}
