package transform

import "slices"

// unheld notes that the column's value cannot be held by it, so that it goes
// to extra under its own key.
func (t *Transformer) unheld(col int) {
	part := 1
	if eventColumns[col].envelope {
		part = 0
	}
	t.spare[part] = append(t.spare[part], t.values[col]-1)
}

// appendExtra appends what no column holds, keys in the order sent; nothing if
// there is nothing.
func (t *Transformer) appendExtra(dst []byte) []byte {
	start := len(dst)
	for part, name := range []string{`"envelope":{`, `"extra_data":{`} {
		keys := t.spare[part]
		if len(keys) == 0 {
			continue
		}
		slices.Sort(keys)
		if len(dst) == start {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
		for i, key := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, t.src, t.nodes, key, asBigQuery)
			dst = append(dst, ':')
			dst = appendJSON(dst, t.src, t.nodes, key+1, asBigQuery)
		}
		dst = append(dst, '}')
	}
	if len(dst) > start {
		dst = append(dst, '}')
	}
	return dst
}
