package main

import (
	"bytes"
	"io"
	"sync"
)

// A liveLine is a line on a terminal that is written anew. What is written to
// it otherwise, as the log, appears above. Its methods may be called
// concurrently.
type liveLine struct {
	w io.Writer

	mu   sync.Mutex
	line []byte // what stands there
}

// show writes the line anew.
func (l *liveLine) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(append(append(l.line[:0], '\r'), text...), "\x1b[K"...)
	_, _ = l.w.Write(l.line) // it is there to be looked at, and nothing depends on it
}

// Write implements [io.Writer].
func (l *liveLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) == 0 {
		return l.w.Write(b)
	}
	around := bytes.Join([][]byte{[]byte("\r\x1b[K"), b, l.line}, nil)
	if _, err := l.w.Write(around); err != nil {
		return 0, err
	}
	return len(b), nil
}

// clear takes the line away.
func (l *liveLine) clear() { l.end("\r\x1b[K") }

// keep leaves the line where it is; what follows is below.
func (l *liveLine) keep() { l.end("\n") }

func (l *liveLine) end(with string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		_, _ = io.WriteString(l.w, with)
		l.line = l.line[:0]
	}
}
