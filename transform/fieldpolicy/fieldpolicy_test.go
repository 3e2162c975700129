package fieldpolicy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/transform"
	"leadsync/transform/fieldpolicy"
)

// environment is what the files below may name.
var environment = map[string]string{
	"KEY_1": "1234567890abcdef", "KEY_SHORT": "topsecret", "KEY_EMPTY": "", "topsecret": "1234567890abcdef",
}

func load(t *testing.T, text string) (*transform.Policy, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"policy.yaml": text, "secret": "topsecret of k2\r\n", "good": "abcdefghijklmnop\r\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := fieldpolicy.Load(filepath.Join(dir, "policy.yaml"), func(name string) (string, bool) {
		v, ok := environment[name]
		return v, ok
	})
	if err != nil {
		if policy != nil {
			t.Error("a policy came with the error")
		}
		err = &shortened{strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")}
	}
	return policy, err
}

type shortened struct{ text string }

func (s *shortened) Error() string { return s.text }

// The file of the documentation, with all that a file may hold.
func TestLoad(t *testing.T) {
	p, err := load(t, `# Who may see what.
keys:
  - id: k1
    env: KEY_1
  - {id: k2, file: good, since: 2026-10-01T00:00:00+08:00}
fields:
  mobile: hash
  "custom_*": drop
  123: mask
  null: keep
`)
	if err != nil {
		t.Fatal(err)
	}
	rules := []transform.Rule{{Field: "mobile", Action: transform.Hash}, {Field: "custom_*", Action: transform.Drop}, {Field: "123", Action: transform.Mask}, {Field: "null"}}
	if diff := cmp.Diff(rules, p.Rules()); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	keys := []transform.Key{{ID: "k1"}, {ID: "k2", Since: time.Date(2026, 9, 30, 16, 0, 0, 0, time.UTC)}}
	if diff := cmp.Diff(keys, p.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	same, err := transform.NewPolicy(rules, []transform.Key{{ID: "k1", Secret: []byte("1234567890abcdef")}, {ID: "k2", Secret: []byte("abcdefghijklmnop"), Since: keys[1].Since}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(same.Hashes("x"), p.Hashes("x")); diff != "" {
		t.Errorf("hashes: are the secrets without their line ends? (-want +got):\n%s", diff)
	}
}

// Keys need not be there where nothing is hashed.
func TestLoadWithoutKeys(t *testing.T) {
	if _, err := load(t, "fields: {mobile: mask}\nkeys:\n"); err != nil {
		t.Error(err)
	}
}

// Every mistake must be told, at its line, and all at once; none may show a
// secret, also not one that was written in the wrong place. A mistake that
// passes is a field that people believe to be hidden.
func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"policy.yaml:1: the file is empty; a policy without fields hides nothing"}},
		{"comments", "# none\n", []string{"policy.yaml:1: the file is empty; a policy without fields hides nothing"}},
		{"null", "~\n", []string{"policy.yaml:1: the file is empty; a policy without fields hides nothing"}},
		{"no fields", "\nkeys: []\n", []string{"policy.yaml:2: there are no fields; a policy without fields hides nothing"}},
		{"empty fields", "fields: {}\n", []string{"policy.yaml:1: there are no fields; a policy without fields hides nothing"}},
		{"no mapping", "- mobile\n", []string{"policy.yaml:1: is not a mapping of keys and fields"}},
		{"fields no mapping", "fields:\n  - mobile\n", []string{"policy.yaml:2: fields: is not a mapping of field names to actions"}},
		{"keys no list", "keys: {id: k}\nfields: {a: drop}", []string{"policy.yaml:1: keys: is not a list"}},
		{"syntax", "fields:\n  a: drop\n b: drop\n", []string{"policy.yaml:3: did not find expected key"}},
		{"star without quotes", "fields:\n  *custom: drop\n", []string{"policy.yaml:2: unknown anchor 'custom' referenced"}},
		{"two documents", "fields: {a: drop}\n---\nfields: {b: drop}\n", []string{"policy.yaml:2: a second document: a file holds one policy"}},
		{"broken second document", "fields: {a: drop}\n---\n}\n", []string{"policy.yaml:3: did not find expected node content"}},
		{"merge", "x: &x {a: drop}\nfields:\n  <<: *x\n", []string{"policy.yaml:1: x: unknown, want keys and fields", "policy.yaml:3: fields: a name is plain text"}},
		{"fields", `fields:
  mobile: hash
  mobile: drop
  name: hide
  notes: [drop]
  email: Drop
  company: null
  "": drop
  entity_id: mask
  tenant_id: drop
`, []string{
			"policy.yaml:2: fields.mobile: hash needs a key, and there is none", "policy.yaml:3: fields: mobile: stands above already",
			`policy.yaml:4: fields.name: "hide" is not one of keep, drop, hash, mask`, "policy.yaml:5: fields.notes: is not one action",
			`policy.yaml:6: fields.email: "Drop" is not one of keep, drop, hash, mask`, `policy.yaml:7: fields.company: "null" is not one of keep, drop, hash, mask`,
			"policy.yaml:8: fields.: a rule needs the name of a field", `policy.yaml:9: fields.entity_id: "entity_id" must be kept: the tables are built on it`,
			`policy.yaml:10: fields.tenant_id: "tenant_id" is a column; rules name the event's keys, here mid`,
		}},
		{"keys", `keys:
  - id: k1
    env: KEY_ABSENT
    secret: topsecret
  - id: k1
    env: KEY_SHORT
    since: yesterday
  - env: KEY_EMPTY
    since: 2026-01-01T00:00:00Z
  - id: k 4
    env: KEY_1
    file: good
    since: 2026-01-01T08:00:00+08:00
  - k5
  - id: k6
    file: absent
    since: 2026-01-02T00:00:00Z
  - id: k7
    file: secret
    since: 2026-01-03T00:00:00Z
  - id: k8
    env: topsecretvalue
    since: [topsecret]
field: {}
fields: {mobile: hash}
`, []string{
			"policy.yaml:3: keys[0].env: KEY_ABSENT is not set", "policy.yaml:4: keys[0]: secret: unknown, want id, env or file, since",
			"policy.yaml:5: keys[1]: a key with the id k1 stands above", "policy.yaml:5: keys[1]: the secret has 9 bytes, the least are 16",
			"policy.yaml:5: keys[1]: another key comes into force at the same time: only one may be without since",
			`policy.yaml:7: keys[1].since: "yesterday" is not a time such as 2026-10-01T00:00:00Z`,
			"policy.yaml:8: keys[2].env: KEY_EMPTY is not set", "policy.yaml:8: keys[2]: the id of a key is 1 to 32 letters, digits, - and _",
			"policy.yaml:10: keys[3]: needs env or file, one of them",
			"policy.yaml:10: keys[3]: the id of a key is 1 to 32 letters, digits, - and _",
			"policy.yaml:10: keys[3]: another key comes into force at the same time: only one may be without since",
			"policy.yaml:14: keys[4]: is not a mapping of id, env or file, since",
			"policy.yaml:16: keys[5].file: open absent: no such file or directory",
			"policy.yaml:18: keys[6]: the secret has 15 bytes, the least are 16",
			"policy.yaml:21: keys[7]: another key comes into force at the same time: only one may be without since",
			"policy.yaml:22: keys[7].env: the variable is not set",
			`policy.yaml:23: keys[7].since: "" is not a time such as 2026-10-01T00:00:00Z`,
			"policy.yaml:24: field: unknown, want keys and fields",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.text)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), environment["KEY_1"]) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// What is no policy at all must not be read into memory whole.
func TestLoadFile(t *testing.T) {
	if _, err := fieldpolicy.Load(filepath.Join(t.TempDir(), "absent.yaml"), os.LookupEnv); err == nil || !strings.Contains(err.Error(), "absent.yaml: no such file") {
		t.Errorf("absent: %v", err)
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fieldpolicy.Load(large, os.LookupEnv); err == nil || !strings.Contains(err.Error(), "large.yaml: above 1048576 bytes") {
		t.Errorf("large: %v", err)
	}
}
