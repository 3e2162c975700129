package records

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Several goroutines take records from blocks and release them while Next runs.
// Catches a block whose bytes another one overwrites, and with -race two that
// share anything.
func TestBlocksInParallel(t *testing.T) {
	var lines, array strings.Builder
	const n = 3000
	for i := range n {
		fmt.Fprintf(&lines, "{\"n\":%d}\n", i)
		fmt.Fprintf(&array, ",{\"n\":%d}", i)
	}
	for _, in := range []string{lines.String(), "[" + array.String()[1:] + "]", strings.ReplaceAll(lines.String(), ":", ":\n")} {
		blocks := make(chan *Block, 2)
		var count atomic.Int64
		var done sync.WaitGroup
		for range 4 {
			done.Go(func() {
				for blk := range blocks {
					list, err := blk.Records(nil)
					if err != nil {
						t.Error(err)
					}
					for _, rec := range list {
						if want := in[rec.Offset : rec.Offset+rec.Size]; string(rec.Data) != want {
							t.Errorf("record at %d is %q, want %q", rec.Offset, rec.Data, want)
						}
					}
					count.Add(int64(len(list)))
					blk.Release()
				}
			})
		}
		b := NewBlocks(strings.NewReader(in), BlockConfig{Size: 200})
		for {
			blk, err := b.Next()
			if err != nil {
				break
			}
			blocks <- blk
		}
		close(blocks)
		done.Wait()
		if got := count.Load(); got != n {
			t.Errorf("%d records, want %d", got, n)
		}
	}
}
