package fieldpolicy

import "go.yaml.in/yaml/v4"

// KeyFiles returns the files that hold the secrets of keys, as the policy in
// the file at path names them, so that somebody can look at who may read them.
// The policy must be one that [Load] takes.
func KeyFiles(path string) ([]string, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	l := loader{path: path}
	var files []string
	for _, key := range list(member(l.parse(text), "keys")) {
		if file := member(key, "file"); file != nil {
			files = append(files, l.relative(file.Value))
		}
	}
	return files, nil
}

// list returns what is in a list, nothing for what is none.
func list(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// member returns the value of a name in a mapping, nil if there is none.
func member(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
