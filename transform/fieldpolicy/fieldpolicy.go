// Package fieldpolicy reads a field policy from its file:
//
//	keys:
//	  - id: k1
//	    env: FIELD_POLICY_KEY_K1   # or file: /secrets/k1
//	  - id: k2
//	    env: FIELD_POLICY_KEY_K2
//	    since: 2026-10-01T00:00:00Z
//	fields:
//	  mobile: hash
//	  "custom_*": drop
//
// The secrets of keys are never in the file itself, so that it can be kept
// with the code. No error shows one.
package fieldpolicy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"

	"leadsync/transform"
)

// maxFile is the size above which a file is not read, in bytes.
const maxFile = 1 << 20

// Load reads the policy in the file at path. lookup returns the value of an
// environment variable, as [os.LookupEnv] does; the file of a key is found
// relative to the policy's own.
//
// The error names everything that is wrong, each on a line of its own with
// file, line and field.
func Load(path string, lookup func(string) (string, bool)) (*transform.Policy, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err // it names the operation and the file
	}
	l := loader{path: path, lookup: lookup}
	l.document(text)
	policy, err := transform.NewPolicy(l.rules, l.keys)
	var wrong transform.PolicyErrors
	if errors.As(err, &wrong) {
		l.judge(wrong)
	}
	if len(l.problems) == 0 {
		return policy, nil
	}
	slices.SortStableFunc(l.problems, func(a, b problem) int { return a.line - b.line })
	var problems []error
	for _, p := range l.problems {
		problems = append(problems, fmt.Errorf("%s:%d: %s", path, p.line, p.text))
	}
	return nil, errors.Join(problems...)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("read %s: above %d bytes", path, maxFile)
	}
	return text, nil
}

// A loader collects what a file holds and what is wrong with it.
type loader struct {
	path     string
	lookup   func(string) (string, bool)
	problems []problem

	rules     []transform.Rule
	ruleNodes []*yaml.Node // their names
	keys      []transform.Key
	keyNodes  []keyNode
}

type keyNode struct {
	*yaml.Node
	where string
}

type problem struct {
	line int
	text string
}

func (l *loader) report(n *yaml.Node, format string, args ...any) {
	l.problems = append(l.problems, problem{n.Line, fmt.Sprintf(format, args...)})
}

// judge reports what the policy says of its rules and keys. A key whose secret
// could not be read has been reported for that, and rules with it.
func (l *loader) judge(wrong transform.PolicyErrors) {
	for _, p := range wrong {
		switch {
		case p.Rule >= 0:
			l.report(l.ruleNodes[p.Rule], "fields.%s: %s", l.rules[p.Rule].Field, p.Problem)
		case p.Key >= 0:
			l.report(l.keyNodes[p.Key].Node, "%s: %s", l.keyNodes[p.Key].where, p.Problem)
		}
	}
}

// parse returns the file's one value, nil if there is none or it is no YAML.
func (l *loader) parse(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && isNothing(doc.Content[0]) {
		l.report(&yaml.Node{Line: 1}, "the file is empty; %s", noFields)
		return nil
	}
	if err == nil {
		err = decoder.Decode(&second)
	}
	if err == nil {
		l.report(&second, "a second document: a file holds one policy")
	} else if !errors.Is(err, io.EOF) {
		at, words := 1, err.Error()
		var syntax *yaml.LoadError
		if errors.As(err, &syntax) {
			at, words = max(1, syntax.Mark.Line), syntax.Message
		}
		l.report(&yaml.Node{Line: at}, "%s", words)
		return nil
	}
	return doc.Content[0]
}

// noFields says why a policy must have fields: one without would look as if
// it protected something.
const noFields = "a policy without fields hides nothing"

func (l *loader) document(text []byte) {
	root := l.parse(text)
	if root == nil {
		return
	}
	members := map[string]*yaml.Node{}
	ok := l.mapping(root, "", func(name string, _, value *yaml.Node) bool {
		members[name] = value
		return name == "keys" || name == "fields"
	}, "keys and fields")
	if keys := members["keys"]; keys != nil && !isNothing(keys) {
		l.keyList(keys)
	}
	switch fields := members["fields"]; {
	case fields != nil && !isNothing(fields) && (fields.Kind != yaml.MappingNode || len(fields.Content) > 0):
		l.fieldList(fields)
	case ok:
		l.report(root, "there are no fields; %s", noFields)
	}
}

func isNothing(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// mapping hands over the members of a mapping and reports whether it is one.
// take reports whether it knows the name; known lists those that it does.
func (l *loader) mapping(n *yaml.Node, where string, take func(name string, key, value *yaml.Node) bool, known string) bool {
	if n.Kind != yaml.MappingNode {
		l.report(n, "%sis not a mapping of %s", where, known)
		return false
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			l.report(key, "%sa name is plain text", where)
		case seen[key.Value]:
			l.report(key, "%s%s: stands above already", where, key.Value)
		default:
			seen[key.Value] = true
			if !take(key.Value, key, value) {
				l.report(key, "%s%s: unknown, want %s", where, key.Value, known)
			}
		}
	}
	return true
}

func (l *loader) fieldList(fields *yaml.Node) {
	l.mapping(fields, "fields: ", func(name string, key, value *yaml.Node) bool {
		rule := transform.Rule{Field: name}
		if value.Kind != yaml.ScalarNode {
			l.report(value, "fields.%s: is not one action", name)
		} else if err := rule.Action.UnmarshalText([]byte(value.Value)); err != nil {
			l.report(value, "fields.%s: %v", name, err)
		}
		l.rules, l.ruleNodes = append(l.rules, rule), append(l.ruleNodes, key)
		return true
	}, "field names to actions")
}
