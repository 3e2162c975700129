package transform

import (
	"fmt"
	"slices"
	"strings"
)

// A PolicyError is one thing that is wrong with a policy.
type PolicyError struct {
	Rule, Key int // place of the rule or key it is about; -1 for none
	Problem   string
}

// PolicyErrors are all the things that are wrong with a policy.
type PolicyErrors []PolicyError

func (e PolicyErrors) Error() string {
	var lines []string
	for _, p := range e {
		line := p.Problem
		switch {
		case p.Rule >= 0:
			line = fmt.Sprintf("rule %d: %s", p.Rule+1, line)
		case p.Key >= 0:
			line = fmt.Sprintf("key %d: %s", p.Key+1, line)
		}
		lines = append(lines, line)
	}
	return "field policy: " + strings.Join(lines, "; ")
}

func checkRules(rules []Rule, keys int) (problems PolicyErrors) {
	for i, r := range rules {
		report := func(format string, args ...any) {
			problems = append(problems, PolicyError{i, -1, fmt.Sprintf(format, args...)})
		}
		if first := slices.IndexFunc(rules, func(o Rule) bool { return o.Field == r.Field }); first < i {
			report("a rule for %q stands above", r.Field)
		}
		switch source := sourceOf(r.Field); {
		case r.Field == "":
			report("a rule needs the name of a field")
		case int(r.Action) >= len(actionNames):
			report("no such action: %d", r.Action)
		case source != "":
			report("%q is a column; rules name the event's keys, here %s", r.Field, source)
		case slices.Contains(required[:], r.Field) && r.Action != Keep:
			report("%q must be kept: the tables are built on it", r.Field)
		case r.Action == Hash && keys == 0:
			report("hash needs a key, and there is none")
		}
	}
	return problems
}

func checkKeys(keys []Key) (problems PolicyErrors) {
	for i, k := range keys {
		report := func(format string, args ...any) {
			problems = append(problems, PolicyError{-1, i, fmt.Sprintf(format, args...)})
		}
		if !isKeyID(k.ID) {
			report("the id of a key is 1 to %d letters, digits, - and _", maxKeyID)
		} else if slices.ContainsFunc(keys[:i], func(o Key) bool { return o.ID == k.ID }) {
			report("a key with the id %s stands above", k.ID)
		}
		if len(k.Secret) < MinSecret {
			report("the secret has %d bytes, the least are %d", len(k.Secret), MinSecret)
		}
		if slices.ContainsFunc(keys[:i], func(o Key) bool { return o.Since.Equal(k.Since) }) {
			report("another key comes into force at the same time: only one may be without since")
		}
	}
	return problems
}

// maxKeyID is the greatest length of a key's id.
const maxKeyID = 32

func isKeyID[T string | []byte](id T) bool {
	for _, c := range []byte(id) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= maxKeyID
}
