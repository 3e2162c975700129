package records

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// benchInputs are 32 MiB of events of 1.5 KB in the forms that files have.
func benchInputs() map[string]string {
	event := `{"mid":"941","event_type":"object_create","extra_data":{` + strings.Repeat(`"login_platform":"jing","operator_type":1,"mapping_data":{"name":["张三"]},`, 20) + `"x":"\"[\"http:\\\\/\\\\/img.example.test\\\\/mmhead\"]"}}`
	n := 32 << 20 / len(event)
	return map[string]string{
		"lines":        strings.Repeat(event+"\n", n),
		"concatenated": strings.Repeat(event, n),
		"pretty":       strings.Repeat(pretty(event)+"\n", n/2),
		"array":        "[" + strings.Repeat(event+",", n-1) + event + "]",
	}
}

// BenchmarkBlocks measures Next alone, which one goroutine does, and Records
// alone, which many may share.
func BenchmarkBlocks(b *testing.B) {
	for name, in := range benchInputs() {
		b.Run("next/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				blocks := NewBlocks(strings.NewReader(in), BlockConfig{Tap: io.Discard})
				for {
					blk, err := blocks.Next()
					if err != nil {
						break
					}
					blk.Release()
				}
			}
		})
		b.Run("records/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			blocks := NewBlocks(bytes.NewReader([]byte(in)), BlockConfig{})
			var all []*Block
			for {
				blk, err := blocks.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, blk)
			}
			var records []Record
			for b.Loop() {
				for _, blk := range all {
					var err error
					if records, err = blk.Records(records[:0]); err != nil || len(records) == 0 {
						b.Fatal(len(records), err)
					}
				}
			}
		})
	}
}
