package faults

import (
	"fmt"
	"path"
)

// Choose returns the faults whose names match one of the patterns of
// [path.Match], none for all, and without the long ones if it is to be short.
func Choose(list []Fault, patterns []string, short bool) ([]Fault, error) {
	var chosen []Fault
	for _, f := range list {
		ok := len(patterns) == 0
		for _, p := range patterns {
			match, err := path.Match(p, f.Name)
			if err != nil {
				return nil, fmt.Errorf("%q is no pattern: %w", p, err)
			}
			ok = ok || match
		}
		if ok && !(short && f.Long) {
			chosen = append(chosen, f)
		}
	}
	return chosen, nil
}
