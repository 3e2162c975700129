package fieldpolicy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"leadsync/transform/fieldpolicy"
)

// FuzzLoad reads arbitrary bytes as a policy. It would catch a panic, a file
// that is neither a policy nor refused, a policy that hides nothing, a problem
// without a line of the file, and a secret that an error shows.
func FuzzLoad(f *testing.F) {
	const secret = "topsecret-abcdefgh"
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		policy, err := fieldpolicy.Load(path, func(name string) (string, bool) { return secret, name == "KEY" })
		if (policy == nil) != (err != nil) {
			t.Fatalf("policy %v and error %v", policy, err)
		}
		if err == nil {
			if len(policy.Rules()) == 0 {
				t.Error("a policy without rules was taken")
			}
			return
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows a secret: %v", err)
		}
		// One more than there are: the parser may stand behind the last.
		lines := 2 + strings.Count(string(text), "\n") + strings.Count(string(text), "\r") +
			strings.Count(string(text), "\u0085") + strings.Count(string(text), "\u2028") + strings.Count(string(text), "\u2029")
		for _, problem := range joined(err) {
			line := 0
			rest, ok := strings.CutPrefix(problem.Error(), path+":")
			if _, err := fmt.Sscanf(rest, "%d:", &line); !ok || err != nil || line < 1 || line > lines {
				t.Errorf("no line of the file's %d: %v", lines, problem)
			}
		}
	})
}

// joined returns the errors that an error of errors.Join is made of.
func joined(err error) []error {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		return list.Unwrap()
	}
	return []error{err}
}
