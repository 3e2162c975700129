package files

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// unpacked decompresses all that src holds.
func unpacked(t testing.TB, src io.Reader) (data []byte, name string, err error) {
	t.Helper()
	r, name, err := Decompress(src)
	if err != nil {
		return nil, name, err
	}
	data, err = io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return data, name, err
}

// event draws what is repeated a bit, and what fills several blocks.
func event(rt *rapid.T) string {
	return strings.Repeat(rapid.StringMatching(`\{"a":[0-9]{0,99}\}\n`).Draw(rt, "line"), rapid.SampledFrom([]int{0, 1, 7, 9000}).Draw(rt, "times"))
}

// Catches bytes lost, added or changed, for any content in any number of
// members or frames, however the source hands it out.
func TestDecompress(t *testing.T) {
	pack := map[string]func(testing.TB, []byte) []byte{
		"": func(_ testing.TB, b []byte) []byte { return b }, "gzip": gzipped, "zstd": zstded,
	}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"", "gzip", "zstd"}).Draw(rt, "name")
		parts := rapid.SliceOfN(rapid.Custom(event), 1, 5).Draw(rt, "parts")
		var want, stored []byte
		for _, part := range parts {
			want = append(want, part...)
			stored = append(stored, pack[name](t, []byte(part))...)
		}
		if name == "zstd" && rapid.Bool().Draw(rt, "skippable") {
			stored = append([]byte("\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"), stored...)
		}
		if name == "gzip" {
			stored = append(stored, make([]byte, rapid.IntRange(0, 1000).Draw(rt, "padding"))...)
		}
		var src io.Reader = bytes.NewReader(stored)
		if rapid.Bool().Draw(rt, "slow") {
			src = iotest.OneByteReader(src)
		}
		got, as, err := unpacked(t, src)
		if as != name || err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("%q, %v: %d bytes of %d", as, err, len(got), len(want))
		}
	})
}

// Catches an end in the midst that is taken for the end, or before which
// something else than what was compressed comes out.
func TestDecompressTruncated(t *testing.T) {
	data := lines(1)[:30_000]
	for name, pack := range map[string]func(testing.TB, []byte) []byte{"gzip": gzipped, "zstd": zstded} {
		first := pack(t, data)
		stored := slices.Concat(first, pack(t, data))
		for n := 6; n < len(stored); n += 1 + n%3 {
			if n == len(first) {
				continue // a whole member
			}
			got, _, err := unpacked(t, bytes.NewReader(stored[:n]))
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), name+" ends too early, after ") {
				t.Fatalf("%s, %d of %d bytes: %v", name, n, len(stored), err)
			}
			if !bytes.HasPrefix(append(data, data...), got) || n > len(first) && len(got) < len(data) {
				t.Fatalf("%s, %d of %d bytes: %d came out", name, n, len(stored), len(got))
			}
		}
	}
}

// Catches damage that goes unnoticed, that costs what came before it, or is
// not said in words.
func TestDecompressDamaged(t *testing.T) {
	data := lines(1)[:30_000]
	flip := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at] ^= 0x55; return b }
	gz, zs := gzipped(t, data), zstded(t, data)
	tests := []struct {
		name   string
		stored []byte
		out    int
		err    string
	}{
		{"text after gzip", append(bytes.Clone(gz), "{}\n"...), 30_000, "gzip is damaged, after 30000 decompressed bytes: something else follows"},
		{"text after padding", append(bytes.Clone(gz), "\x00\x00{}\n"...), 30_000, "something else follows"},
		{"another magic after gzip", append(bytes.Clone(gz), "\x1f\x8cabcdefghij"...), 30_000, "something else follows"},
		{"zstd after gzip", append(bytes.Clone(gz), zs...), 30_000, "something else follows"},
		{"text after zstd", append(bytes.Clone(zs), "{\"a\":1}\n"...), 30_000, "zstd is damaged, after 30000 decompressed bytes: something else follows"},
		{"gzip after zstd", append(bytes.Clone(zs), gz...), 30_000, "something else follows"},
		{"checksum of gzip", flip(gz, len(gz)-6), 30_000, "gzip is damaged, after 30000 decompressed bytes: gzip: invalid checksum"},
		{"checksum of zstd", flip(zs, len(zs)-2), -1, "zstd is damaged, after"},
		{"header of gzip", []byte("\x1f\x8b\x09\x00\x00\x00\x00\x00\x00\x00"), 0, "gzip is damaged, after 0 decompressed bytes"},
		{"xz", []byte("\xfd7zXZ\x00\x00"), 0, "compressed by xz"},
		{"bzip2", []byte("BZh91AY&SY"), 0, "compressed by bzip2"},
		{"zip", []byte("PK\x03\x04abcd"), 0, "compressed by zip"},
		{"lz4", []byte("\x04\x22\x4d\x18abc"), 0, "compressed by lz4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := unpacked(t, bytes.NewReader(test.stored))
			fails(t, err, test.err)
			if test.out >= 0 && len(got) != test.out || !bytes.HasPrefix(data, got) {
				t.Errorf("%d bytes came out", len(got))
			}
		})
	}
}

// Catches a failure of the source that is taken for truncated input, and a
// reader that goes on after an error or after Close.
func TestDecompressSourceFails(t *testing.T) {
	broken := errors.New("broken")
	data := lines(1)[:300_000]
	for name, stored := range map[string][]byte{"gzip": gzipped(t, data), "zstd": zstded(t, data), "": data} {
		for _, n := range []int{0, 3, 20, len(stored) / 2, len(stored)} {
			_, _, err := unpacked(t, io.MultiReader(bytes.NewReader(stored[:n]), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "damaged") {
				t.Errorf("%q after %d bytes: %v", name, n, err)
			}
		}
		r, _, err := Decompress(bytes.NewReader(stored))
		if err != nil || name == "" {
			continue
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	for _, head := range []string{"", "{", "{}\n"} {
		if got, name, err := unpacked(t, strings.NewReader(head)); string(got) != head || name != "" || err != nil {
			t.Errorf("%q: %q, %q, %v", head, got, name, err)
		}
	}
}

// Catches memory that grows with what a frame asks for or a file holds.
func TestDecompressMemory(t *testing.T) {
	// A frame with a window of as many KiB as two to a power, of 128 KiB of zeros.
	frame := func(power byte) io.Reader {
		return strings.NewReader("\x28\xb5\x2f\xfd\x00" + string([]byte{power << 3}) + "\x03\x00\x10\x00")
	}
	_, _, err := unpacked(t, frame(18))
	fails(t, err, "zstd needs a window above 134217728 bytes")

	if got, _, err := unpacked(t, frame(17)); len(got) != 128<<10 || err != nil {
		t.Error(len(got), err)
	}

	block := make([]byte, 1<<20)
	var bomb bytes.Buffer
	g := gzip.NewWriter(&bomb)
	for range 64 {
		if _, err := g.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, _, err := Decompress(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != 64<<20 || err != nil {
		t.Error(n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were taken", grown)
	}
}
