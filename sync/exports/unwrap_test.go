package exports_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"leadsync/sync/exports"
)

// quote returns the string as JSON text, with escapes that need not be.
func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// object writes members in the given order, in that of their keys, or in any.
func object(members [][2]string, order int) string {
	members = slices.Clone(members)
	switch order % 3 {
	case 1:
		slices.SortFunc(members, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	case 2:
		r := rand.New(rand.NewPCG(uint64(order), 1))
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = quote(m[0]) + ": " + m[1]
	}
	return "{" + strings.Join(list, ",\n ") + "}"
}

// messageForms write a message as others do, keys in one order or another.
var messageForms = map[string]func(m message, order int) string{
	"push": func(m message, order int) string {
		inner := [][2]string{
			{"data", quote(base64.StdEncoding.EncodeToString(m.payload))},
			{"messageId", quote(m.id)}, {"message_id", quote(m.id)},
			{"publishTime", quote(m.publishedAt.Format(time.RFC3339Nano))}, {"publish_time", quote(m.publishedAt.Format(time.RFC3339Nano))},
		}
		if m.attributes != nil {
			inner = append(inner, [2]string{"attributes", attributes(m)})
		}
		return object([][2]string{{"message", object(inner, order)}, {"subscription", `"projects/p/subscriptions/s"`}, {"deliveryAttempt", "5"}}, order)
	},
	"pull": func(m message, order int) string {
		return object([][2]string{{"ackId", `"BhYs"`}, {"message", bare(m, order, base64.StdEncoding)}}, order)
	},
	"bare": func(m message, order int) string { return bare(m, order, base64.StdEncoding) },
	"URL-safe": func(m message, order int) string {
		return bare(m, order, base64.RawURLEncoding)
	},
	"BigQuery subscription": func(m message, order int) string {
		return object([][2]string{
			{"subscription_name", `"projects/p/subscriptions/s"`}, {"message_id", quote(m.id)},
			{"publish_time", quote(m.publishedAt.Format("2006-01-02 15:04:05.999999999 UTC"))},
			{"data", quote(string(m.payload))}, {"attributes", quote(attributes(m))},
		}, order)
	},
	"BigQuery subscription, JSON": func(m message, order int) string {
		return object([][2]string{
			{"subscription_name", `"projects/p/subscriptions/s"`}, {"message_id", quote(m.id)},
			{"publish_time", quote(m.publishedAt.Format(time.RFC3339Nano))}, {"data", string(m.payload)}, {"attributes", attributes(m)},
		}, order)
	},
}

func bare(m message, order int, e *base64.Encoding) string {
	return object([][2]string{
		{"attributes", attributes(m)}, {"data", quote(e.EncodeToString(m.payload))}, {"messageId", quote(m.id)},
		{"publishTime", quote(m.publishedAt.Format(time.RFC3339Nano))}, {"orderingKey", `"k"`},
	}, order)
}

func attributes(m message) string {
	b, _ := json.Marshal(m.attributes)
	if m.attributes == nil {
		return "{}"
	}
	return string(b)
}

// Every event, poison too, in every form. Catches a payload that is changed by
// a byte, and a message id, publish time or attribute that is lost.
func TestUnwrapMessages(t *testing.T) {
	for name, form := range messageForms {
		t.Run(name, func(t *testing.T) {
			for i, m := range corpus(t) {
				if strings.HasPrefix(name, "BigQuery") && (!utf8.Valid(m.payload) || m.payload[0] != '{') ||
					strings.HasSuffix(name, "JSON") && !json.Valid(m.payload) {
					continue // which its rows do not hold
				}
				m.payload = bytes.TrimSpace(m.payload)
				src := form(m, i)
				want := exports.Event{Data: m.payload, MessageID: m.id, PublishedAt: m.publishedAt, Attributes: m.attributes}
				record := []byte(src)
				got := exports.Unwrap(record)
				clear(record) // the next one is read into its memory
				if !same(want, got) {
					t.Fatalf("(-want +got):\n%s\n%s", cmp.Diff(want, got), src)
				}
			}
		})
	}
}

// Catches an event that is taken for something wrapped, whatever order its keys
// come in and whatever unknown keys it has.
func TestUnwrapPlain(t *testing.T) {
	strange := [][2]string{
		{"data", `"e30="`}, {"message", `{"data":"e30=","messageId":"1"}`}, {"messageId", `"1"`}, {"attributes", "{}"},
		{"event_id", `"00112233445566778899aabbccddeeff"`}, {"sequence", `"1"`}, {"occurred_at", `"2023-02-21 06:50:53"`}, {"tenant_id", `"1"`},
	}
	for i, m := range corpus(t) {
		if plain(t, m.payload); !json.Valid(m.payload) || m.payload[0] != '{' {
			continue
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(m.payload, &members); err != nil {
			t.Fatal(err)
		}
		list := slices.Clone(strange)
		if i%2 > 0 {
			list = list[:4] // of messages alone
		}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			if slices.ContainsFunc(strange, func(s [2]string) bool { return s[0] == key }) {
				list = nil
				break
			}
			list = append(list, [2]string{key, string(members[key])})
		}
		plain(t, []byte(object(list, i)))
	}
}

// plain fails the test unless the record comes back as it stands, the very slice.
func plain(t testing.TB, record []byte) {
	t.Helper()
	before := bytes.Clone(record)
	e := exports.Unwrap(record)
	same := len(e.Data) == len(record) && (len(record) == 0 || &e.Data[0] == &record[0])
	if !same || e.EventID != [16]byte{} || e.MessageID != "" || !e.PublishedAt.IsZero() || e.Attributes != nil || !bytes.Equal(record, before) {
		t.Fatalf("it does not come back as it stands:\n%s\n%+v\n%s", record, e, e.Data)
	}
}

// Catches a broken wrapper from which something is taken nevertheless: what is
// wrong with it could not be told any more.
func TestUnwrapBroken(t *testing.T) {
	for _, record := range []string{
		``, ` `, `{`, `{}`, `{"`, `{"message`, `{"message"`, `{"message":`, `{"message":{`, `[]`, `"message"`, `null`, `{"\`,
		`{"message":{"data":"e30="}`, `{"message":{"data":"e30="}} x`, `{"message":{"data":"e30=","x":tru}}`,
		`{"message":{"data":"e3!="}}`, `{"message":{"data":"e"}}`, `{"message":{"data":""}}`, `{"message":{"data":null,"messageId":"1"}}`,
		`{"message":{"data":7}}`, `{"message":{"data":["e30="]}}`, `{"message":{"messageId":"1"}}`,
		`{"message":"e30="}`, `{"message":[{"data":"e30="}]}`, `{"message":null}`, `{"messages":{"data":"e30="}}`,
		`{"message":{"data":"e30=","messageId":1}}`, `{"message":{"data":"e30=","publishTime":"yesterday"}}`,
		`{"message":{"data":"e30=","publishTime":"2023-02-30T00:00:00Z"}}`, `{"message":{"data":"e30=","publishTime":"0000-01-01T00:00:00Z"}}`,
		`{"message":{"data":"e30=","attributes":{"a":1}}}`, `{"message":{"data":"e30=","attributes":[]}}`, `{"message":{"data":"e30=","attributes":"{"}}`,
		`{"message":{"data":"e30="},"message":{"data":"e30="}}`, "{\"message\":{\"data\":\"e30=\",\"messageId\":\"\xff\"}}",
		`{"data":"abcd"}`, `{"data":"e30=","status":"ok"}`, `{"data":{},"status":"ok"}`,
	} {
		plain(t, []byte(record))
	}
}

// Catches a form of instant that is not known, or is off by its zone or fraction.
func TestInstants(t *testing.T) {
	for value, want := range map[string]string{
		`"2023-02-21T06:50:53Z"`: "06:50:53", `"2023-02-21T14:50:53.123456789+08:00"`: "06:50:53.123456789",
		`"2023-02-21 06:50:53 UTC"`: "06:50:53", `"2023-02-21 06:50:53.5 UTC"`: "06:50:53.5", `"2023-02-21 06:50:53"`: "06:50:53",
		`"2023-02-21 06:50:53.123456"`: "06:50:53.123456", `"2023-02-21 06:50:53+00"`: "06:50:53", `"2023-02-21 12:20:53.25+05:30"`: "06:50:53.25",
		`"2023-02-21 01:50:53-05"`: "06:50:53", `"1.676962253E9"`: "06:50:53", `"1.676962253123456E9"`: "06:50:53.123456",
		`1676962253`: "06:50:53", `"1676962253.5"`: "06:50:53.5", `"16769622530e-1"`: "06:50:53", `"1.67696225300000000E+9"`: "06:50:53",
		`""`: "", `"-"`: "", `"."`: "", `"E5"`: "", `"1.6769622531234567E9"`: "", `"1e99999999999"`: "", `"1e-20"`: "", `"x"`: "", `true`: "", `{}`: "", `"2023-02-21"`: "",
		`"2023-02-21Z"`: "", `"2023-02-21T06:50:53ZZ"`: "", `"2023-02-21 06:50:53 CST"`: "", `"1.-5"`: "", `"9e15"`: "", `"--------------------"`: "",
	} {
		e := exports.Unwrap(fmt.Appendf(nil, `{"message":{"data":"e30=","publishTime":%s}}`, value))
		got := ""
		if len(e.Data) == 2 {
			got = strings.TrimPrefix(e.PublishedAt.Format("2006-01-02 15:04:05.999999999"), "2023-02-21 ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

// FuzzUnwrap catches a panic, and an event that does not come back as it stands.
func FuzzUnwrap(f *testing.F) {
	for i, m := range corpus(f) {
		if i%100 != 0 && i < 1450 {
			continue
		}
		f.Add(m.payload)
		for _, form := range messageForms {
			f.Add([]byte(form(m, i)))
		}
		if rows, ok := made(f, exports.Event{Data: m.payload, MessageID: m.id, PublishedAt: m.publishedAt}); ok {
			for _, form := range rowForms {
				f.Add([]byte(form(cells(f, rows), i)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		e := exports.Unwrap(record)
		if e.EventID != [16]byte{} {
			if _, ok := made(t, e); !ok {
				return // its time may be out of range
			}
		}
		if _, ok := made(t, exports.Event{Data: record}); ok { // it is an event itself
			plain(t, record)
		}
	})
}

// BenchmarkUnwrap measures what each record of a backfill costs.
func BenchmarkUnwrap(b *testing.B) {
	var list [][]byte
	sizes := 0
	for d := range simulate1000() {
		list = append(list, d)
		sizes += len(d)
	}
	documented := list[0]
	b.Run("event", func(b *testing.B) {
		for b.Loop() {
			exports.Unwrap(documented)
		}
	})
	b.Run("events", func(b *testing.B) {
		i := 0
		for b.Loop() {
			exports.Unwrap(list[i%len(list)])
			i++
		}
	})
	m := message{payload: documented, id: "1234567890", publishedAt: now, attributes: map[string]string{"mid": "1"}}
	rows, _ := made(b, exports.Event{Data: documented})
	for name, record := range map[string]string{"push": messageForms["push"](m, 0), "row": rowForms["bq extract"](cells(b, rows), 0)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				exports.Unwrap([]byte(record))
			}
		})
	}
}
