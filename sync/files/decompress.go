package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window of zstd, the most that is held of a frame:
// what zstd --long makes and takes without being told otherwise.
const maxWindow = 128 << 20

// Decompress returns what src holds, decompressed if its first bytes say that
// it is compressed, and how: "gzip", "zstd", or "" for anything else, which
// comes out as it is. Several members of gzip and frames of zstd, one after the
// other, come out as one. Other ways to compress are an error that names them.
//
// Input that ends too early is an error that wraps [io.ErrUnexpectedEOF]; input
// that is damaged, or followed by anything else, is one too. Both name the
// offset in what was decompressed, of which everything before came out. Zeros
// that follow gzip are padding. A failure of src is returned wrapped. Memory
// stays bounded: a frame of zstd that needs a window above 128 MiB is an error.
//
// Whoever reads decompresses: no goroutine does it ahead of them, and Close, which
// gives the memory back, does not close src. The reader is for one goroutine.
func Decompress(src io.Reader) (rc io.ReadCloser, name string, err error) {
	head := make([]byte, 6)
	n, err := io.ReadFull(src, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, "", fmt.Errorf("read the first bytes: %w", err)
	}
	head = head[:n]
	in := &input{Reader: io.MultiReader(bytes.NewReader(head), src)}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return &decompressed{in: in, src: newGzip(in), name: "gzip"}, "gzip", nil
	case isZstd(head):
		d, err := newZstd(in)
		if err != nil {
			return nil, "", err
		}
		return &decompressed{in: in, src: d, name: "zstd"}, "zstd", nil
	}
	if other := otherwise(head); other != "" {
		return nil, "", fmt.Errorf("it is compressed by %s, which is not read; decompress it first, or use gzip or zstd", other)
	}
	return io.NopCloser(in.Reader), "", nil
}

// isZstd reports whether a frame begins so, or one that is to be skipped.
func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// otherwise names what else compresses and begins so.
func otherwise(head []byte) string {
	for magic, name := range map[string]string{
		"\xfd7zXZ\x00":     "xz",
		"\x04\x22\x4d\x18": "lz4",
		"PK\x03\x04":       "zip",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	if len(head) > 4 && string(head[:3]) == "BZh" && head[4] == 0x31 {
		return "bzip2"
	}
	return ""
}

// newZstd returns a decoder of frames. With a concurrency of one it works in the
// calls of Read, which is faster than in goroutines that hand blocks on.
func newZstd(in *input) (io.ReadCloser, error) {
	d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return d.IOReadCloser(), nil
}

// decompressed says where it ended.
type decompressed struct {
	in     *input
	src    io.ReadCloser // the decoder of in
	name   string
	offset int64
	err    error
}

func (d *decompressed) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.src.Read(p)
	d.offset += int64(n)
	d.err = d.explained(err)
	return n, d.err
}

func (d *decompressed) explained(err error) error {
	switch {
	case err == nil, err == io.EOF: //nolint:errorlint // only io.EOF itself is the end
		return err
	case d.in.err != nil && d.in.err != io.EOF: //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
		return fmt.Errorf("read %s, after %d decompressed bytes: %w", d.name, d.offset, d.in.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s ends too early, after %d decompressed bytes: %w", d.name, d.offset, err)
	case errors.Is(err, zstd.ErrMagicMismatch):
		err = errTrailing
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("zstd needs a window above %d bytes, after %d decompressed bytes: %w; compress it again with a smaller one", maxWindow, d.offset, err)
	}
	return fmt.Errorf("%s is damaged, after %d decompressed bytes: %w", d.name, d.offset, err)
}

func (d *decompressed) Close() error {
	if d.err == nil {
		d.err = io.ErrClosedPipe
	}
	return d.src.Close()
}

// An input remembers why it gives no more.
type input struct {
	io.Reader
	err error
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	if err != nil {
		in.err = err
	}
	return n, err
}
