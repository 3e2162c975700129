package fieldpolicy

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files of keys are found as Load finds them: relative to the policy, and
// only those of keys that are files. Else nobody looks at who may read them.
func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	for text, want := range map[string][]string{
		"keys:\n  - id: a\n    file: a.key\n  - id: b\n    env: FIELD_POLICY_KEY_B\n  - {id: c, file: /secrets/c}\nfields: {mobile: hash}\n": {
			filepath.Join(dir, "a.key"), "/secrets/c"},
		"fields: {mobile: drop}\n": nil,
		"keys: none\n":             nil,
		"":                         nil,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := KeyFiles(path)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	if _, err := KeyFiles(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there has keys")
	}
}
