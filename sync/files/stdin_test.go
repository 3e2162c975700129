package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Catches standard input that is cut, doubled, or read by two.
func TestStdin(t *testing.T) {
	data := lines(1)[:1<<20]
	s := New(iotest.HalfReader(bytes.NewReader(data)))
	f := one(t, s, "-")
	diff(t, File{Location: "-", Size: -1}, f)
	if _, err := s.Open(context.Background(), f, 5, -1); err == nil {
		t.Error("opened in its midst")
	}
	got, err := readAll(t, s, f, 0, -1)
	if err != nil {
		t.Error(err)
	}
	equal(t, got, data)
	_, err = s.Open(context.Background(), f, 0, -1)
	fails(t, err, "open standard input: there is none, or it was read already")

	broken := errors.New("broken")
	s = New(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	if got, err := readAll(t, s, f, 0, -1); string(got) != "abc" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
}

// Catches a reader that nothing can take away from an idle terminal.
func TestStdinCancelled(t *testing.T) {
	idle, terminal := io.Pipe()
	s := New(idle)
	ctx, cancel := context.WithCancel(context.Background())
	r, err := s.Open(ctx, File{Location: Stdin, Size: -1}, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := terminal.Close(); err != nil { // which ends the goroutine that waits
		t.Error(err)
	}
}
