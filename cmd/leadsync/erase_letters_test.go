package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// lettersAround returns payloads around the id: any bytes, and what of JSON it may
// stand in.
func lettersAround(id string) (payloads [][]byte) {
	draw := rand.New(rand.NewPCG(1, 2))
	pieces := []string{id, id, id, "x", "7", "-", " ", `"`, `\`, `\n`, `\u0022`, `\x5C`, "\\x22", "\n", "\x00", "\xff", "线", "'", ".", "%", "{", id[:5]}
	for range 400 {
		var payload []byte
		for range 1 + draw.IntN(6) {
			payload = append(payload, pieces[draw.IntN(len(pieces))]...)
		}
		payloads = append(payloads, payload)
	}
	return payloads
}

// lettersAcross returns payloads in which the id lies across the seam of two
// parts, or touches it.
func lettersAcross(id string) (payloads [][]byte) {
	const seam = 4 << 20
	for _, before := range []int{len(id) + 1, len(id), len(id) - 1, 1, 0} { // bytes of it before the seam
		for _, around := range [][2]string{{" ", ""}, {`\n`, `"`}, {"x", " "}, {" ", "x"}} {
			if around[1] == "x" && before == len(id) || around[0] == "x" && before == 0 {
				continue // a seam counts as the end of a word
			}
			if around[0] == " " && before == 1 || around[0] == `\n` && before > len(id)-1 || around[0] == "x" && before > 1 {
				continue // as others
			}
			payload := bytes.Repeat([]byte("."), seam-before-len(around[0]))
			payload = append(payload, around[0]+id+around[1]...)
			if around[1] != "" {
				payload = append(payload, bytes.Repeat([]byte("-"), 400)...)
			}
			payloads = append(payloads, payload)
		}
	}
	// Longer words, where the statement cuts what it puts together.
	const cut = 300
	before := append(bytes.Repeat([]byte("."), seam-cut-1), "x"+id...)
	after := append(bytes.Repeat([]byte("."), seam+cut-len(id)), id+"x"...)
	for _, payload := range [][]byte{before, after} {
		payloads = append(payloads, append(payload, bytes.Repeat([]byte("-"), 1000)...))
	}
	return payloads
}

// The statement must find exactly the letters in which the id is a whole word,
// judged by Go's own expressions over the whole payload; and whatever the
// statement finds, a worker must keep out. Catches a letter that is left
// because of where the id stands in it, and one of somebody else that goes.
func TestEraseDeadLetters(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	cfg, err := config.Load(config.Input{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"B3hJubdf4GR3fNhSyx5npA", "22abc", "lead-7.b"} {
		db, err := duckdb.Open(t.Context(), duckdb.Config{Path: duckdb.InMemory})
		if err != nil {
			t.Fatal(err)
		}
		e := newErasure(cfg, id)
		erased := &transform.Erased{}
		erased.Set([]transform.EntityDigest{transform.DigestEntity(id)})
		word := regexp.MustCompile(e.data.Word)
		left, payloads := map[string]bool{}, map[string][]byte{}
		list := lettersAround(id)
		if len(id) == 22 {
			list = append(list, lettersAcross(id)...)
		}
		var rows transform.Rows
		for i, payload := range list {
			message := fmt.Sprint(i)
			rows.AppendDeadLetter(transform.DeadLetter{
				Rejection: &transform.Rejection{Reason: transform.JSONInvalid, Stage: transform.StageDecode},
				Payload:   payload, MessageID: message, DeadAt: time.Now(),
			})
			found := word.Match(payload)
			left[message], payloads[message] = !found, payload
			if found && !strings.Contains(id, "-") && !erased.Mentions(payload) {
				t.Errorf("%s: a letter that is deleted would be written again: %q", id, shortened(payload))
			}
		}
		if err := db.Write(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Execute(t.Context(), sinks.Statement(e.dialect, "erase_dead_letters", e.data)); err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, message := range valuesIn(t, db, "SELECT DISTINCT message_id FROM dead_letters") {
			there[message.(string)] = true
		}
		for message, want := range left {
			if there[message] != want {
				t.Errorf("%s: letter is left: %t, want %t: %q", id, there[message], want, shortened(payloads[message]))
			}
		}
		if len(there) < 50 || len(left)-len(there) < 50 {
			t.Errorf("%s: %d letters of %d are left", id, len(there), len(left))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// shortened returns what stands around the seam of a large payload.
func shortened(payload []byte) []byte {
	if len(payload) < 4<<20 {
		return payload
	}
	return payload[4<<20-40:][:min(80, len(payload)-4<<20+40)]
}
