package exports

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hamba/avro/v2"
)

// A record is the fields of an Avro record, in the order of its schema, or the
// entries of a map.
type record []field

// A field holds nil, bool, int64, float64, string, []byte, time.Time, []any or
// a record.
type field struct {
	name  string
	value any
}

// maxDepth is how deep an Avro record may be nested. Beyond, it is damaged: no
// schema of an event or row comes near.
const maxDepth = 100

// maxItems is how many items the arrays and maps of a record may have: more are
// damage, since an event's have some tens.
const maxItems = 1 << 20

// A decoder reads values from a block.
type decoder struct {
	*avro.Reader
	left int // items that the record may still have
}

func newDecoder() *decoder {
	config := avro.Config{MaxByteSliceSize: maxBlock}.Freeze()
	return &decoder{Reader: avro.NewReader(nil, 0, avro.WithReaderConfig(config))}
}

// record reads the next record of the block.
func (d *decoder) record(s *avro.RecordSchema) (record, error) {
	d.left = maxItems
	r := d.fields(s, 0)
	return r, d.Error
}

func (d *decoder) fields(s *avro.RecordSchema, depth int) record {
	r := make(record, 0, len(s.Fields()))
	for _, f := range s.Fields() {
		r = append(r, field{f.Name(), d.value(f.Type(), depth)})
		if d.Error != nil {
			return nil
		}
	}
	return r
}

func (d *decoder) value(s avro.Schema, depth int) any {
	if depth++; depth > maxDepth {
		return d.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		return d.fields(s, depth)
	case *avro.RefSchema:
		return d.value(s.Schema(), depth)
	case *avro.UnionSchema:
		return d.union(s, depth)
	case *avro.ArraySchema:
		return d.array(s, depth)
	case *avro.MapSchema:
		return d.entries(s, depth)
	case *avro.EnumSchema:
		if i := int(d.ReadInt()); i >= 0 && i < len(s.Symbols()) {
			return s.Symbols()[i]
		}
		return d.fail("a symbol that its schema has not")
	case *avro.FixedSchema:
		if s.Size() > maxBlock {
			return d.fail("a fixed value above the size of a block")
		}
		b := make([]byte, s.Size())
		d.Read(b)
		return b
	default:
		return d.primitive(s)
	}
}

func (d *decoder) primitive(s avro.Schema) any {
	switch s.Type() {
	case avro.Null:
		return nil
	case avro.Boolean:
		return d.ReadBool()
	case avro.Int:
		return int64(d.ReadInt())
	case avro.Long:
		n := d.ReadLong()
		if p, ok := s.(*avro.PrimitiveSchema); ok && p.Logical() != nil {
			switch p.Logical().Type() {
			case avro.TimestampMicros:
				return time.UnixMicro(n).UTC()
			case avro.TimestampMillis:
				return time.UnixMilli(n).UTC()
			}
		}
		return n
	case avro.Float:
		return float64(d.ReadFloat())
	case avro.Double:
		return d.ReadDouble()
	case avro.String:
		return d.ReadString()
	case avro.Bytes:
		return d.ReadBytes()
	default:
		return d.fail("a type that is not known here")
	}
}

// union reads the branch that comes first and its value.
func (d *decoder) union(s *avro.UnionSchema, depth int) any {
	i := d.ReadLong()
	if i < 0 || i >= int64(len(s.Types())) {
		return d.fail("a branch that its union has not")
	}
	return d.value(s.Types()[i], depth)
}

func (d *decoder) array(s *avro.ArraySchema, depth int) any {
	var list []any
	d.items(func() { list = append(list, d.value(s.Items(), depth)) })
	return list
}

func (d *decoder) entries(s *avro.MapSchema, depth int) any {
	var r record
	d.items(func() { r = append(r, field{d.ReadString(), d.value(s.Values(), depth)}) })
	return r
}

// items calls item for each item of an array or map. That of an array may take
// no bytes, so there is a bound for all of them together.
func (d *decoder) items(item func()) {
	for d.Error == nil {
		n, _ := d.ReadBlockHeader()
		if n == 0 {
			return
		}
		for ; n > 0 && d.Error == nil; n-- {
			if d.left--; d.left < 0 {
				d.fail("more than a million items")
				return
			}
			item()
		}
	}
}

// fail notes what is amiss, unless something was before.
func (d *decoder) fail(what string) any {
	if d.Error == nil {
		d.Error = errors.New(what)
	}
	return nil
}

// appendJSON appends the value as JSON. Text that is not UTF-8 and numbers that
// JSON has not stay what they are, so that the transform finds them invalid.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.AppendInt(dst, int64(v), 10)
		}
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case string:
		return appendString(dst, v)
	case []byte:
		return appendString(dst, string(v))
	case time.Time:
		return append(v.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	case []any:
		dst = append(dst, '[')
		for i := range v {
			dst = appendJSON(comma(dst, i), v[i])
		}
		return append(dst, ']')
	case record:
		dst = append(dst, '{')
		for i := range v {
			dst = append(appendString(comma(dst, i), v[i].name), ':')
			dst = appendJSON(dst, v[i].value)
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	quoted, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		panic("exports: quote valid text: " + err.Error())
	}
	return quoted
}
