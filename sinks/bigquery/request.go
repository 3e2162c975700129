package bigquery

import (
	"leadsync/sinks"
	"leadsync/transform"
)

// aimRequest is the size of requests, in bytes of rows. Around 1 MB a row
// costs least, and a failed request has little to send again.
const aimRequest = 1 << 20

// maxRow is the largest row that is sent, alone in its request: the service
// takes no request above 10 MB.
const maxRow = transform.MaxRow

// rowOverhead is what a row takes in a request beside its own bytes: a tag
// and its length.
const rowOverhead = 5

// A request is rows of one table that are appended together, all or none.
type request struct {
	rows  [][]byte
	first int   // place of rows[0] in the Rows, the others follow it
	place []int // place of each row in the Rows, once some in between are gone
	bytes int

	// alone asks for a connection of its own, because on a shared one the
	// failure cannot be told from that of another request.
	alone bool

	// search is the one that this request is part of, nil if there is none.
	// searched says that a search has found one bad row already.
	search   *search
	searched bool

	failed sinks.Class // why an earlier try failed, "" if there was none
}

func (r *request) at(i int) int {
	if r.place != nil {
		return r.place[i]
	}
	return r.first + i
}

// split cuts the table's rows into requests. A row that no request can take
// is refused.
func split(rows *transform.Rows, id transform.TableID) (requests []request, refused sinks.RowErrors) {
	n := rows.Len(id)
	all := make([][]byte, 0, n)
	r := request{first: 0}
	cut := func(next int) {
		if len(all) > 0 {
			r.rows = all
			requests = append(requests, r)
		}
		all = all[len(all):]
		r = request{first: next}
	}
	for i := range n {
		row := rows.Row(id, i)
		if len(row) > maxRow {
			refused = append(refused, sinks.RowError{Table: id, Row: i, Code: "ROW_TOO_LARGE"})
			cut(i + 1)
			continue
		}
		if len(all) > 0 && r.bytes+len(row)+rowOverhead > aimRequest {
			cut(i)
		}
		all = append(all, row)
		r.bytes += len(row) + rowOverhead
	}
	cut(n)
	return requests, refused
}

// part returns rows [from, to) of r as a request.
func (r *request) part(from, to int) request {
	p := *r
	p.rows, p.first = r.rows[from:to:to], r.first+from
	if r.place != nil {
		p.place = r.place[from:to]
	}
	p.bytes = sizeOf(p.rows)
	return p
}

// without returns the rows of r for which gone is not set.
func (r *request) without(gone []string) request {
	p := *r
	p.rows, p.place = nil, nil
	for i, code := range gone {
		if code == "" {
			p.rows = append(p.rows, r.rows[i])
			p.place = append(p.place, r.at(i))
		}
	}
	p.bytes = sizeOf(p.rows)
	return p
}

func sizeOf(rows [][]byte) int {
	n := 0
	for _, row := range rows {
		n += len(row) + rowOverhead
	}
	return n
}
