package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// canaries are values that must be seen nowhere under a policy that hides
// them: each is a text that occurs in nothing else.
var canaries = map[string]string{
	"name": "金丝雀姓名", "latin name": "Canaria Zqname", "phone": "13987654321", "mail": "zqmail@canary.example",
	"avatar": "zqavatar-Q3auHgz", "note": "zqnote", "owner": "zqowner22uuid", "owner name": "金丝雀主管", "member": "zqmember77",
	"operator": "98765012345", "custom": "zqcustom", "nested": "zqnested", "envelope": "zqenvelope", "attribute": "zqattribute",
	"timeline": "zqtimeline", "comparison": "zqcompare",
}

// canaryFields are the fields that hold them.
var canaryFields = []string{
	"name", "first_name", "mobile", "email", "headimgurl", "notes", "owner", "members", "operator_id", `"custom_*"`,
	"profile", "openplatform", "sender", "login_source_value", "entity_change_mapping",
}

// canaryData are the members of an extra_data that has a canary in every place
// where a value can stand, and some in forms that no column holds.
func canaryData() string {
	var pairs []string
	for what, v := range canaries {
		pairs = append(pairs, "<"+what+">", v)
	}
	return strings.NewReplacer(pairs...).Replace(`"object_name":"lead","operator_id":<operator>,"notes":"<note>: call <phone>",
		"owner":"<owner>","former_owner":"<owner>-before","former_owner_name":"<owner name>","members":"<member>,<member>2",
		"first_name":"<latin name>","profile":{"deep":[{"who":"<nested>","mobile":<phone>},["<nested>"]],"email":"<mail>"},
		"timeline_data":{"login_source_value":"<timeline>"},"entity_change_mapping":{"before":"<comparison>","list":["<comparison>"]},
		"mapping_data":{"name":["<name>","<latin name>"],"mobile":["<phone>"],"email":[null,"<mail>"],"owner":["<owner>-before","<owner>"],
			"headimgurl":["[\"http:\\\\/\\\\/img.example.test\\\\/<avatar>\\\\/0\"]"],"custom_wish":["<custom>",{"<k>":"<custom>"},3]},
		"mapping_data_text":{"name":["<name>","<latin name>"],"owner":["-","<owner name>"],"mobile":"<phone>","custom_wish":"<custom>"}`)
}

// canaryPayloads are events, and poison of every kind, with canaries in them.
func canaryPayloads() map[string]string {
	now := time.Now().Unix()
	data := canaryData()
	event := func(eventType, id string) string {
		return fmt.Sprintf(`{"mid":"1","event_type":%q,"create_time":%d,"openplatform":"zqenvelope","extra_data":{"entity_id":%q,%s}}`, eventType, now, id, data)
	}
	whole := event("object_update", "whole")
	many := strings.Repeat(`"`+canaries["phone"]+`",`, 300_000)
	return map[string]string{
		"created": event("object_create", "created"), "updated": whole, "owner changed": event("object_change_owner", "owned"),
		"refused":            event("object_update", "refused"),
		"data in a string":   fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"entity_id":"text","mapping_data":%q,"timeline_data":["zqtimeline"]}}`, now, data),
		"escaped":            strings.ReplaceAll(event("object_update", "escaped"), "金丝雀", `\u91d1\u4e1d\u96c0`),
		"cut short":          whole[:len(whole)-1],
		"more behind":        whole + `{"mobile":"` + canaries["phone"] + `"`,
		"key twice":          strings.Replace(whole, `"mid":"1"`, `"mid":"1","mobile":1,"mobile":2`, 1),
		"no UTF-8":           strings.Replace(whole, "zqnote", "zqnote\xff", 1),
		"deep":               strings.Replace(whole, `"zqenvelope"`, strings.Repeat("[", 101)+`"zqenvelope"`+strings.Repeat("]", 101), 1),
		"a string":           fmt.Sprintf("%q", whole),
		"an array":           "[" + whole + "]",
		"no event type":      strings.Replace(whole, `"event_type"`, `"custom_type"`, 1),
		"no tenant":          strings.Replace(whole, `"mid"`, `"custom_mid"`, 1),
		"no time":            strings.Replace(whole, `"create_time":`, `"create_time":"soon","custom_time":`, 1),
		"another century":    strings.Replace(whole, `"create_time":`, `"create_time":1,"custom_time":`, 1),
		"extra_data in text": fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d,"extra_data":%q}`, now, data),
		"extra_data a list":  fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d,"extra_data":["zqnote",{%s}]}`, now, data),
		"large":              fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"entity_id":"large","mobile":[%s1]}}`, now, many),
	}
}

func publishCanaries(c *cloud) {
	payloads := canaryPayloads()
	for _, what := range slices.Sorted(maps.Keys(payloads)) {
		c.pubsub.Publish(testTopic, []byte(payloads[what]), map[string]string{"sender": canaries["attribute"], "mobile": canaries["phone"]})
	}
}

// withPolicy makes the worker hide the canaries' fields; action "" is no policy.
func (c *cloud) withPolicy(t *testing.T, action string) {
	t.Helper()
	c.environ = append(c.environ, "LOG_LEVEL=debug")
	if action == "" {
		return
	}
	text := "keys:\n  - {id: k1, env: FIELD_POLICY_KEY_K1}\nfields:\n"
	for _, field := range canaryFields {
		text += "  " + field + ": " + action + "\n"
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.environ = append(c.environ, "FIELD_POLICY_FILE="+file, "FIELD_POLICY_KEY_K1=zqsecret-of-the-test")
}

// shown returns the canaries, and parts of them, that stand in the bytes: as
// they are, with JSON's escapes, or as hex digits.
func shown(b []byte) (found []string) {
	for what, v := range canaries {
		half := []rune(v)
		part := string(half[:len(half)*2/3])
		escaped := strings.Trim(fmt.Sprintf("%+q", part), `"`)
		for _, form := range []string{part, escaped, hex.EncodeToString([]byte(part)), strings.ToUpper(hex.EncodeToString([]byte(part)))} {
			if bytes.Contains(b, []byte(form)) {
				found = append(found, what)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// checkCanaries fails if a place shows canaries that it must not, or, without
// a policy, does not show those that it must: then the search is of no use.
func checkCanaries(t *testing.T, action, place string, b []byte) {
	t.Helper()
	found := shown(b)
	if action != "" && len(found) > 0 {
		t.Errorf("under %s %s shows %q", action, place, found)
	}
	if bytes.Contains(b, []byte("zqsecret")) {
		t.Errorf("under %s %s shows the secret of a key", action, place)
	}
	if action == "" && len(found) != len(canaries) {
		t.Errorf("without a policy %s shows only %q: the search is blind", place, found)
	}
}

// checkTalk fails if what a worker says of itself shows a canary, also without
// a policy.
func checkTalk(t *testing.T, w *running, metrics string) {
	t.Helper()
	for place, text := range map[string]string{"the log": w.text(), "/metrics": metrics} {
		if found := shown([]byte(text)); len(found) > 0 {
			t.Errorf("%s shows %q", place, found)
		}
	}
	if !strings.Contains(w.text(), `"message":"dead letters"`) || !strings.Contains(metrics, `leadsync_dead_letters_total{reason="json_too_deep"} 1`) {
		t.Errorf("the poison did not get there:\n%s", w.text())
	}
}

// Canaries on the way through the worker to BigQuery's tables. This is the
// test of the promise that privacy makes: a value that a policy hides is in no
// row, letter, log line or metric, whichever way it came in. Catches a column
// that is not made from the rewritten event, poison that is kept as received,
// and a log line that quotes.
func TestCanariesInBigQuery(t *testing.T) {
	for _, action := range []string{"", "hash", "drop"} {
		t.Run("policy "+action, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.withPolicy(t, action)
			c.apply(t)
			c.bigquery.Refuse("events_log", func(row map[string]any) bool { return row["entity_id"] == "refused" })
			publishCanaries(c)
			w := c.start(t)
			eventually(t, "every message acknowledged", func() bool { _, all := acked(c.pubsub); return all })
			_, metrics := w.get(t, "/metrics")
			w.stop(t)
			checkTalk(t, w, metrics)

			var all bytes.Buffer
			for i := range transform.Tables() {
				for _, row := range c.bigquery.Rows(transform.Tables()[i].Name) {
					writeRow(&all, row)
				}
			}
			checkCanaries(t, action, "the tables", all.Bytes())
			for _, want := range []string{"row_rejected", "extra_data_invalid", "json_too_deep", "not_an_object"} {
				if !strings.Contains(all.String(), want) {
					t.Errorf("no letter says %s", want)
				}
			}
			// Under hash the large one outgrows what a row may have.
			for _, want := range []string{"hmac:k1:", "row_too_large"} {
				if got := strings.Contains(all.String(), want); got != (action == "hash") {
					t.Errorf("%s in the tables: %v", want, got)
				}
			}
		})
	}
}

// writeRow writes all values of a row, bytes and text as they are.
func writeRow(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case []byte:
		b.Write(v)
	case map[string]any:
		for k, v := range v {
			b.WriteString(k + "=")
			writeRow(b, v)
		}
	case []any:
		for _, v := range v {
			writeRow(b, v)
		}
	default:
		fmt.Fprintln(b, v)
	}
}

// The same on the embedded warehouse, down to the bytes of its files, which
// are what somebody gets who gets the disk; and in what the commands print.
func TestCanariesInDuckDB(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	for _, action := range []string{"", "hash", "drop"} {
		t.Run("policy "+action, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.withPolicy(t, action)
			file := filepath.Join(t.TempDir(), "w.duckdb")
			c.environ = append(c.environ, "SINK=duckdb", "DUCKDB_PATH="+file)
			publishCanaries(c)
			w := c.start(t)
			eventually(t, "every message acknowledged", func() bool { _, all := acked(c.pubsub); return all })
			_, metrics := w.get(t, "/metrics")
			files := readFiles(t, file)
			w.stop(t)
			checkTalk(t, w, metrics)
			checkCanaries(t, action, "the database's files", append(files, readFiles(t, file)...))

			var printed []byte
			for _, sql := range []string{"SELECT * FROM events_log", "SELECT * FROM transitions_log", "SELECT * FROM field_changes", "SELECT * FROM leads",
				"SELECT * REPLACE (hex(payload) AS payload) FROM dead_letters"} {
				printed = append(printed, c.output(t, 0, nil, "query", "--format", "json", "--max-rows", "0", sql)...)
			}
			checkCanaries(t, action, "query", printed)
			var input bytes.Buffer
			for _, payload := range canaryPayloads() {
				input.WriteString(strings.ReplaceAll(payload, "\n", " ") + "\n")
			}
			// Dead letters are printed without their payload, so that this does
			// not show the attribute.
			if found := shown(c.output(t, exitDeadLetters, &input, "transform")); action != "" && len(found) > 0 {
				t.Errorf("under %s transform shows %q", action, found)
			}
		})
	}
}

// readFiles returns the bytes of the database and its log of changes.
func readFiles(t *testing.T, path string) []byte {
	t.Helper()
	list, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// output runs a command and returns all that it prints, to both streams.
func (c *cloud) output(t *testing.T, status int, stdin *bytes.Buffer, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "leadsync", args...)
	cmd.Env = c.environ
	if stdin != nil {
		cmd.Stdin = stdin
	}
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("leadsync %v: exit status %d, want %d\n%.2000s", args, got, status, out)
	}
	return out
}
