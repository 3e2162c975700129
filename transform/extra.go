package transform

import "slices"

// unheld notes that the column's value cannot be held by it, so that it goes
// to extra under its own key.
func (t *Transformer) unheld(col int) {
	part := ExtraData
	if eventColumns[col].envelope {
		part = Envelope
	}
	t.spare[part] = append(t.spare[part], t.values[col]-1)
}

// unheldPromoted does so for the promoted columns: they come after extra, when
// it is too late.
func (t *Transformer) unheldPromoted() {
	for col := numEventColumns; col < len(tables[EventsLog].Columns); col++ {
		if _, held := t.textAt(t.values[col]); !held {
			t.unheld(col)
		}
	}
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
