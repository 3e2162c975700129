package files

import (
	"context"
	"errors"
	"io"
)

// chunk is how much of standard input is read at once; two of them are in use.
const chunk = 256 << 10

// openStdin hands out standard input.
func (s *Store) openStdin(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset != 0 || length >= 0 {
		return nil, errors.New("open standard input: it can only be read from its beginning to its end")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stdin == nil {
		return nil, errors.New("open standard input: there is none, or it was read already")
	}
	p := &pipe{ctx: ctx, filled: make(chan filled), free: make(chan []byte, 2), closed: make(chan struct{})}
	p.free <- make([]byte, chunk)
	p.free <- make([]byte, chunk)
	go p.fill(s.stdin)
	s.stdin = nil
	return p, nil
}

// A pipe is standard input, which nothing can make return from a read: a
// goroutine of its own waits there, so that a reader whose context has ended
// need not. The goroutine ends when that read returns.
type pipe struct {
	ctx    context.Context
	filled chan filled
	free   chan []byte
	closed chan struct{}

	now  filled // read, and from at on not yet handed out
	at   int
	done bool
}

// filled is a buffer with what was read into it, and why nothing follows.
type filled struct {
	data []byte
	err  error
}

func (p *pipe) fill(src io.Reader) {
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.closed:
			return
		}
		n, err := src.Read(buf)
		select {
		case p.filled <- filled{buf[:n], err}:
		case <-p.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *pipe) Read(b []byte) (int, error) {
	for p.at == len(p.now.data) {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.now.data != nil {
			p.free <- p.now.data[:chunk]
			p.now, p.at = filled{}, 0
		}
		select {
		case p.now = <-p.filled:
		case <-p.ctx.Done():
			return 0, context.Cause(p.ctx)
		}
	}
	n := copy(b, p.now.data[p.at:])
	p.at += n
	return n, nil
}

func (p *pipe) Close() error {
	if !p.done {
		p.done = true
		close(p.closed)
	}
	return nil
}
