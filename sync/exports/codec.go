package exports

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// A codec decompresses a block, up to maxBlock bytes. What it returns is valid
// until its next call.
type codec func(packed []byte) ([]byte, error)

var errTooLarge = fmt.Errorf("a block above %d MiB", maxBlock>>20)

// newCodec returns the codec of that name in a file's header.
func newCodec(name string) (codec, error) {
	switch name {
	case "", "null":
		return func(packed []byte) ([]byte, error) { return packed, nil }, nil
	case "deflate":
		return inflate(), nil
	case "snappy":
		return unsnap(), nil
	case "zstandard":
		return unzstd()
	default:
		return nil, fmt.Errorf("avro file is compressed by %.20q; null, deflate, snappy and zstandard are known", name)
	}
}

func inflate() codec {
	r := flate.NewReader(nil)
	var out bytes.Buffer
	return func(packed []byte) ([]byte, error) {
		out.Reset()
		if err := r.(flate.Resetter).Reset(bytes.NewReader(packed), nil); err != nil { //nolint:forcetypeassert // as the package says
			return nil, err
		}
		n, err := io.Copy(&out, io.LimitReader(r, maxBlock+1))
		if n > maxBlock {
			return nil, errTooLarge
		}
		return out.Bytes(), damaged(err)
	}
}

// unsnap returns Avro's snappy: one piece of it with a check sum behind.
func unsnap() codec {
	var out []byte
	return func(packed []byte) ([]byte, error) {
		end := len(packed) - crc32.Size
		if end < 0 {
			return nil, errors.New("no check sum")
		}
		n, err := snappy.DecodedLen(packed[:end])
		if err != nil {
			return nil, err
		}
		if n > maxBlock {
			return nil, errTooLarge
		}
		if out, err = snappy.Decode(out[:cap(out)], packed[:end]); err != nil {
			return nil, err
		}
		if crc32.ChecksumIEEE(out) != binary.BigEndian.Uint32(packed[end:]) {
			return nil, errors.New("wrong check sum")
		}
		return out, nil
	}
}

func unzstd() (codec, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
	if err != nil {
		return nil, fmt.Errorf("start zstandard: %w", err)
	}
	var out []byte
	return func(packed []byte) ([]byte, error) {
		out, err = r.DecodeAll(packed, out[:0])
		return out, damaged(err)
	}, nil
}

// damaged hides that compressed data ended too early: the file did not.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}
