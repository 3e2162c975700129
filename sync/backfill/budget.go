package backfill

import (
	"context"
	"sync"
)

// A budget bounds the bytes that are on their way.
type budget struct {
	mu    sync.Mutex
	freed sync.Cond
	max   int64
	used  int64
}

func newBudget(bytes int64) *budget {
	b := &budget{max: bytes}
	b.freed.L = &b.mu
	return b
}

// take waits until there is room for so many bytes, or nothing else is on its
// way, and reports whether there was before ctx ended.
func (b *budget) take(ctx context.Context, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used > 0 && b.used+n > b.max {
		stop := context.AfterFunc(ctx, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.freed.Broadcast()
		})
		defer stop()
	}
	for b.used > 0 && b.used+n > b.max && ctx.Err() == nil {
		b.freed.Wait()
	}
	if ctx.Err() != nil {
		return false
	}
	b.used += n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.freed.Broadcast()
}
