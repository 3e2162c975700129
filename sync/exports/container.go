package exports

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of an Avro container file, in bytes.
const (
	maxMeta  = 4 << 20  // a key or value of the header, for example the schema
	maxBlock = 64 << 20 // a block, compressed and not
)

// A container reads the blocks of an Avro container file.
type container struct {
	src    *bufio.Reader
	offset int64             // bytes read
	meta   map[string][]byte // of the header
	mark   [16]byte          // which ends each block
	codec  codec

	packed bytes.Buffer
}

// A block is some whole records.
type block struct {
	offset  int64 // in the file
	records int64
	data    []byte // valid until the next block is read
}

// newContainer reads the file's header.
func newContainer(src io.Reader) (*container, error) {
	c := &container{src: bufio.NewReaderSize(src, 64<<10), meta: make(map[string][]byte)}
	if err := c.header(); err != nil {
		return nil, fmt.Errorf("read avro header: %w", cutOff(err))
	}
	var err error
	c.codec, err = newCodec(string(c.meta["avro.codec"]))
	return c, err
}

func (c *container) header() error {
	var magic [4]byte
	if err := c.full(magic[:]); err != nil {
		return err
	}
	if !IsAvro(magic[:]) {
		return errors.New("not an avro file")
	}
	for {
		n, err := c.long()
		if err != nil {
			return err
		}
		if n == 0 {
			return c.full(c.mark[:])
		}
		if n < 0 { // then the size of these entries follows
			if _, err := c.long(); err != nil {
				return err
			}
			n = -n
		}
		for ; n > 0; n-- {
			if err := c.entry(); err != nil {
				return err
			}
		}
	}
}

// entry reads a key of the header and its value.
func (c *container) entry() error {
	key, err := c.bytes()
	if err != nil {
		return err
	}
	value, err := c.bytes()
	if err != nil {
		return err
	}
	if _, double := c.meta[string(key)]; double || len(c.meta) == 1000 {
		return errors.New("it has a key twice, or a thousand of them")
	}
	c.meta[string(key)] = value
	return nil
}

// bytes reads bytes with their length before them.
func (c *container) bytes() ([]byte, error) {
	n, err := c.long()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > maxMeta {
		return nil, fmt.Errorf("%d bytes in one of its values", n)
	}
	b := make([]byte, n)
	return b, c.full(b)
}

// next returns the next block that has records, io.EOF after the last.
func (c *container) next() (block, error) {
	for {
		b := block{offset: c.offset}
		var err error
		if b.records, err = c.long(); err == io.EOF { //nolint:errorlint // io.EOF itself is the end, between blocks
			return b, err
		}
		if err == nil {
			b.data, err = c.body(b.records)
		}
		if err != nil {
			return b, cutOff(err)
		}
		if b.records > 0 {
			return b, nil
		}
	}
}

// body reads what follows the number of a block's records.
func (c *container) body(records int64) ([]byte, error) {
	size, err := c.long()
	if err != nil {
		return nil, err
	}
	if size < 0 || size > maxBlock || records < 0 {
		return nil, fmt.Errorf("a block of %d records in %d bytes", records, size)
	}
	c.packed.Reset()
	n, err := io.CopyN(&c.packed, c.src, size)
	c.offset += n
	if err != nil {
		return nil, err
	}
	var mark [16]byte
	if err := c.full(mark[:]); err != nil {
		return nil, err
	}
	if mark != c.mark {
		return nil, errors.New("the block does not end with the file's mark")
	}
	data, err := c.codec(c.packed.Bytes())
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if records > int64(len(data)) {
		return nil, fmt.Errorf("a block of %d records in %d bytes", records, len(data))
	}
	return data, nil
}

// long reads an integer.
func (c *container) long() (int64, error) { return binary.ReadVarint(c) }

// ReadByte reads one byte for long.
func (c *container) ReadByte() (byte, error) {
	b, err := c.src.ReadByte()
	if err == nil {
		c.offset++
	}
	return b, err
}

func (c *container) full(b []byte) error {
	n, err := io.ReadFull(c.src, b)
	c.offset += int64(n)
	return err
}

// cutOff returns an error that says so if the end of the file came too early.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is cut off: %w", io.ErrUnexpectedEOF)
	}
	return err
}
