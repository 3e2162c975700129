package simulate

import (
	"bytes"
	"strconv"
	"strings"
)

// spoilers are ways to ruin an event, each with the reason code under which
// the message must become a dead letter.
var spoilers = []struct {
	reason string
	spoil  func(f fields) []byte
}{
	{"json_invalid", func(f fields) []byte { // cut off
		b := f.append(nil)
		return b[:len(b)*2/3]
	}},
	{"json_invalid", func(f fields) []byte { // not UTF-8: a label in GBK
		return bytes.Replace(f.append(nil), []byte(`"object_v2"`), []byte("\"\xcf\xdf\xcb\xf7\""), 1)
	}},
	{"json_too_deep", func(f fields) []byte {
		const depth = 200
		f.set("extra_data", `{"mapping_data":{"tree":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}}`)
		return f.append(nil)
	}},
	{"not_an_object", func(f fields) []byte {
		return append(f.append([]byte{'['}), ']')
	}},
	{"event_type_missing", func(f fields) []byte {
		f.set("event_type", "null")
		return f.append(nil)
	}},
	{"tenant_missing", func(f fields) []byte {
		f.set("mid", `""`)
		return f.append(nil)
	}},
	{"event_time_invalid", func(f fields) []byte {
		f.set("create_time", `"昨天"`)
		return f.append(nil)
	}},
	{"event_time_out_of_range", func(f fields) []byte { // milliseconds
		ms := strings.Trim(f.get("create_time"), `"`) + "000"
		f.set("create_time", ms)
		return f.append(nil)
	}},
	{"event_time_out_of_range", func(f fields) []byte { // the clock of somebody's server
		f.set("create_time", strconv.Itoa(946684800))
		return f.append(nil)
	}},
	{"extra_data_invalid", func(f fields) []byte {
		f.set("extra_data", `"[object Object]"`)
		return f.append(nil)
	}},
}

// spoil returns a ruined payload of the event and the reason code for it. It
// goes through the ways of ruining in turn.
func (w *writer) spoil(e *event, at int64) (payload []byte, reason string) {
	s := spoilers[w.spoiled%len(spoilers)]
	w.spoiled++
	return s.spoil(w.envelope(e, at)), s.reason
}

func (f fields) set(key, json string) {
	for i := range f {
		if f[i].key == key {
			f[i].json = json
		}
	}
}

func (f fields) get(key string) string {
	for i := range f {
		if f[i].key == key {
			return f[i].json
		}
	}
	return ""
}
