package fieldpolicy

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"go.yaml.in/yaml/v4"

	"leadsync/transform"
)

func (l *loader) keyList(keys *yaml.Node) {
	if keys.Kind != yaml.SequenceNode {
		l.report(keys, "keys: is not a list")
		return
	}
	for i, n := range keys.Content {
		where := fmt.Sprintf("keys[%d]", i)
		var key transform.Key
		var env, file *yaml.Node
		ok := l.mapping(n, where+": ", func(name string, _, value *yaml.Node) bool {
			if value.Kind != yaml.ScalarNode {
				value = &yaml.Node{Line: value.Line} // "" is right for none of them
			}
			switch name {
			case "id":
				key.ID = value.Value
			case "env":
				env = value
			case "file":
				file = value
			case "since":
				var err error
				if key.Since, err = time.Parse(time.RFC3339, value.Value); err != nil || key.Since.IsZero() {
					l.report(value, "%s.since: %q is not a time such as 2026-10-01T00:00:00Z", where, value.Value)
				}
			default:
				return false
			}
			return true
		}, "id, env or file, since")
		if !ok {
			continue
		}
		key.Secret = l.secret(n, where, env, file)
		l.keys, l.keyNodes = append(l.keys, key), append(l.keyNodes, keyNode{n, where})
	}
}

// variable is the form of a name that may be shown: a secret that was written
// in its place by mistake is not of it.
var variable = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// secret returns the secret of a key. One that cannot be read is reported, and
// comes back as one of good length.
func (l *loader) secret(key *yaml.Node, where string, env, file *yaml.Node) []byte {
	var secret []byte
	switch {
	case (env == nil) == (file == nil):
		l.report(key, "%s: needs env or file, one of them", where)
		return make([]byte, transform.MinSecret)
	case env != nil:
		name := "the variable"
		if variable.MatchString(env.Value) {
			name = env.Value
		}
		value, ok := l.lookup(env.Value)
		if !ok || value == "" {
			l.report(env, "%s.env: %s is not set", where, name)
			return make([]byte, transform.MinSecret)
		}
		secret = []byte(value)
	default:
		var err error
		if secret, err = readFile(l.relative(file.Value)); err != nil {
			l.report(file, "%s.file: %v", where, err)
			return make([]byte, transform.MinSecret)
		}
	}
	return bytes.TrimRight(secret, "\r\n") // editors and echo add them
}

// relative returns the path of a file that the policy names.
func (l *loader) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(l.path), path)
}
