package exports

import (
	"bytes"
	"encoding/base64"

	"github.com/go-json-experiment/json/jsontext"
)

// fromMessage reads a message of Pub/Sub, a valid JSON text. Push subscriptions
// write some keys in both of the ways in which others write them in one.
func fromMessage(src []byte) (e Event, ok bool) {
	ok = members(src, func(key, value []byte) bool {
		if isNull(value) {
			return true
		}
		held := true
		switch string(key) {
		case "data":
			e.Data, held = payload(value)
		case "messageId", "message_id":
			var id []byte
			id, held = text(value)
			e.MessageID = string(id)
		case "publishTime", "publish_time":
			e.PublishedAt, held = instant(value)
		case "attributes":
			e.Attributes, held = attributes(value)
		}
		return held
	})
	// A message that tells nothing else of itself is one by its event.
	anonymous := e.MessageID == "" && e.PublishedAt.IsZero() && len(e.Attributes) == 0
	if !ok || len(e.Data) == 0 || anonymous && !isObject(e.Data) {
		return Event{}, false
	}
	return e, true
}

// payload decodes a message's data: base64, of either alphabet, padded or not.
// A BigQuery subscription writes the text itself, or a JSON value.
func payload(value []byte) (data []byte, ok bool) {
	if value[0] == '{' {
		return bytes.Clone(value), true
	}
	s, ok := text(value)
	if !ok {
		return nil, false
	}
	if isObject(s) {
		return bytes.Clone(s), true
	}
	s = bytes.TrimRight(s, "=")
	encoding := base64.RawStdEncoding
	if bytes.IndexByte(s, '-') >= 0 || bytes.IndexByte(s, '_') >= 0 {
		encoding = base64.RawURLEncoding
	}
	data = make([]byte, encoding.DecodedLen(len(s)))
	n, err := encoding.Decode(data, s)
	return data[:n], err == nil
}

// attributes reads an object of strings, or a string that holds one.
func attributes(value []byte) (a map[string]string, ok bool) {
	if s, isText := text(value); isText {
		if value = s; !jsontext.Value(value).IsValid() {
			return nil, false
		}
	}
	ok = members(value, func(key, value []byte) bool {
		s, isText := text(value)
		if a == nil {
			a = make(map[string]string)
		}
		a[string(key)] = string(s)
		return isText
	})
	return a, ok
}

// isObject reports whether a text begins as an object does.
func isObject(src []byte) bool {
	_, ok := walkObject(src)
	return ok
}
