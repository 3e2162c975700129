package files

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// errTrailing is what follows the last member or frame.
var errTrailing = errors.New("something else follows the compressed data")

// A gunzip reads the members of gzip one after the other.
type gunzip struct {
	src    *bufio.Reader
	member *gzip.Reader // nil: the first was not begun
}

func newGzip(in io.Reader) *gunzip {
	return &gunzip{src: bufio.NewReaderSize(in, 256<<10)}
}

func (g *gunzip) Read(p []byte) (int, error) {
	for {
		if g.member == nil {
			if err := g.begin(); err != nil {
				return 0, early(err)
			}
		}
		n, err := g.member.Read(p)
		if err == io.EOF { //nolint:errorlint // only io.EOF itself is the end
			if err = g.follow(); err == nil && n == 0 {
				continue
			}
		}
		return n, err
	}
}

// begin begins the first member.
func (g *gunzip) begin() (err error) {
	if g.member, err = gzip.NewReader(g.src); err != nil {
		return err
	}
	g.member.Multistream(false)
	return nil
}

// follow begins the next member, io.EOF: there is none.
func (g *gunzip) follow() error {
	padding := false
	for {
		head, err := g.src.Peek(1)
		switch {
		case err != nil:
			return err // io.EOF at the end
		case head[0] == 0x1f && !padding:
			if err := g.member.Reset(g.src); err != nil {
				return trailing(early(err))
			}
			g.member.Multistream(false)
			return nil
		case head[0] != 0:
			return errTrailing
		}
		padding = true
		_, _ = g.src.Discard(1) // it was peeked
	}
}

// early makes an end where more must follow unexpected.
func early(err error) error {
	if err == io.EOF { //nolint:errorlint // only io.EOF itself is the end
		return io.ErrUnexpectedEOF
	}
	return err
}

// trailing makes a header that is none what follows the last member.
func trailing(err error) error {
	if errors.Is(err, gzip.ErrHeader) {
		return errTrailing
	}
	return err
}

func (g *gunzip) Close() error { return nil }
