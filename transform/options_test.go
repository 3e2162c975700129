package transform

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An event that comes with an identity must have it in its rows and in its
// order, and nothing else of them may change. Catches the payload's own
// identity in one of the places, and one that outlives its event.
func TestDeliveryEventID(t *testing.T) {
	tr := New(Options{})
	src := benchEvent(t)
	d := Delivery{PublishedAt: now.Add(-time.Minute), IngestedAt: now, Source: "backfill"}
	var own, given, after Rows
	first, err := tr.Transform(&own, src, d)
	if err != nil {
		t.Fatal(err)
	}
	named := d
	named.EventID = [16]byte{0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	event, err := tr.Transform(&given, src, named)
	if err != nil || event.ID != named.EventID {
		t.Fatalf("identity %x, error %v", event.ID, err)
	}
	if _, err := tr.Transform(&after, src, d); err != nil || !bytes.Equal(after.Row(EventsLog, 0), own.Row(EventsLog, 0)) {
		t.Errorf("the event after it has another row (error %v)", err)
	}
	if own.Total() < 3 || given.Total() != own.Total() {
		t.Fatalf("%d rows, %d with an identity", own.Total(), given.Total())
	}
	id, was := hex.EncodeToString(named.EventID[:]), hex.EncodeToString(first.ID[:])
	for _, table := range []TableID{EventsLog, TransitionsLog} {
		for i := range own.Len(table) {
			want, got := explained(&own, table, i), explained(&given, table, i)
			want[0] = id
			want[1] = strings.Replace(want[1].(string), "/"+was[:16], "/"+id[:16], 1)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("row %d of %s (-want +got):\n%s", i, table, diff)
			}
		}
	}
}

// The event tells the tenant of its row, text or number, also where it gives
// no row.
func TestEventTenant(t *testing.T) {
	tr := New(Options{Erased: erased("gone")})
	for mid, want := range map[string]string{`"941"`: "941", `941`: "941", `"\u0039\n"`: "9\n"} {
		for _, entity := range []string{"here", "gone"} {
			var rows Rows
			src := fmt.Sprintf(`{"mid":%s,"event_type":"x","create_time":%d,"extra_data":{"entity_id":%q}}`, mid, now.Unix(), entity)
			event, err := tr.Transform(&rows, []byte(src), Delivery{IngestedAt: now})
			if err != nil || string(event.Tenant) != want || string(event.Type) != "x" || event.Erased != (entity == "gone") {
				t.Errorf("%s: tenant %q, type %q, erased %t, error %v", src, event.Tenant, event.Type, event.Erased, err)
			}
		}
	}
}

// Oldest opens the past up to its very second and nothing else: it neither
// closes what is open without it nor touches the future. Catches a bound that
// is forgotten with an extraordinary event's memory.
func TestOldest(t *testing.T) {
	decade := now.AddDate(-10, 0, 0)
	long := time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, test := range []struct {
		name          string
		oldest, first time.Time
	}{
		{"none", time.Time{}, decade},
		{"long ago", long, long},
		{"later than 10 years back", now.AddDate(-1, 0, 0), decade},
		{"in the future", now.AddDate(9, 0, 0), decade},
	} {
		tr := New(Options{Oldest: test.oldest})
		accepts := func(at, received time.Time, more string) bool {
			var rows Rows
			src := fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"a":"%s"}}`, at.Unix(), more)
			_, err := tr.Transform(&rows, []byte(src), Delivery{IngestedAt: received})
			r, rejected := errors.AsType[*Rejection](err)
			if rejected && r.Reason != EventTimeOutOfRange || rejected != (rows.Total() == 0) {
				t.Fatalf("%s: %v, %d rows", test.name, err, rows.Total())
			}
			return !rejected
		}
		for range 2 {
			future := now.AddDate(1, 0, 0)
			if !accepts(test.first, now, "") || accepts(test.first.Add(-time.Second), now, "") {
				t.Errorf("%s: the first second is not %v", test.name, test.first)
			}
			if !accepts(future, now, "") || accepts(future.Add(time.Second), now, "") {
				t.Errorf("%s: the last second is not %v", test.name, future)
			}
			accepts(now, now, strings.Repeat("x", 65*keep)) // whose memory is forgotten, and the bounds with it
		}
		// A day later the 10 years are others, an instant is not.
		later := now.AddDate(0, 0, 1)
		if got := accepts(test.first, later, ""); got != test.first.Equal(long) {
			t.Errorf("%s: accepted a day later: %t", test.name, got)
		}
	}
}
