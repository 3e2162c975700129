package bigquery

import (
	"context"
	"errors"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"

	"leadsync/sinks"
)

// check makes sure, before the first row of a write is called bad, that the
// table still is as defined: a table that somebody altered refuses good rows
// with the same words.
func (w *write) check(ctx context.Context) error {
	if w.checked {
		return nil
	}
	if err := w.verify(ctx, w.table); err != nil {
		return err
	}
	w.checked = true
	return nil
}

// classifyCheck says what a failed check calls for.
func classifyCheck(err error) sinks.Class {
	var e *incompatible
	if errors.As(err, &e) || isNotFound(err) || isDenied(err) {
		return sinks.Setup
	}
	return sinks.Transient
}

// unnamed is the code of a row that is bad although no answer named it.
const unnamed = "INVALID_ARGUMENT"

// setAside takes a request apart that holds bad rows, none of which was
// written: the bad ones are refused, the others go into the next round.
//
// The service names bad rows, but the list may be incomplete or missing. Then
// one is searched for, and if there are more the others are taken apart. An
// answer that came by the end of the connection names nobody: any request on
// it may be the cause, so each gets a connection to itself.
func (w *write) setAside(r request, answer *storagepb.AppendRowsResponse) {
	bad, codes := listed(answer, len(r.rows))
	switch {
	case bad > 0:
		w.setNamedAside(r, bad, codes)
	case answer == nil && !r.alone:
		r.alone = true
		w.again(r, sinks.Data)
	case r.search != nil:
		w.answered(r.search, false, r.alone)
	case len(r.rows) == 1:
		w.refuse(r.at(0), unnamed)
	case r.searched:
		w.quarter(r)
	default:
		w.find(r)
	}
}

// setNamedAside refuses the rows of a request that have a code. If it was part
// of a search, that ends: its bad row is found, and of the others, those that
// waited too, nothing is known.
func (w *write) setNamedAside(r request, bad int, codes []string) {
	for i, code := range codes {
		if code != "" {
			w.refuse(r.at(i), code)
		}
	}
	if s := r.search; s != nil {
		r = s.all.part(s.lo, len(s.all.rows))
		codes = append(codes, make([]string, len(r.rows)-len(codes))...)
	}
	if bad < len(r.rows) {
		w.again(r.without(codes), sinks.Data)
	}
}

// quarter takes a request apart that may hold many bad rows. Quarters find a
// few of them with as many requests as halves would, and many with fewer.
func (w *write) quarter(r request) {
	n := len(r.rows)
	parts := min(n, 4)
	for i := range parts {
		w.again(r.part(i*n/parts, (i+1)*n/parts), sinks.Data)
	}
}

func (w *write) refuse(place int, code string) {
	w.refused = append(w.refused, sinks.RowError{Table: w.table.ID, Row: place, Code: code})
}

// listed returns how many of n rows the answer names as bad, and the code of
// each, "" for one that is not named. Their messages are dropped: they may
// quote values.
func listed(answer *storagepb.AppendRowsResponse, n int) (bad int, codes []string) {
	list := answer.GetRowErrors()
	if len(list) == 0 {
		return 0, nil
	}
	codes = make([]string, n)
	for _, e := range list {
		if i := e.GetIndex(); i >= 0 && i < int64(n) && codes[i] == "" {
			codes[i] = e.GetCode().String()
			bad++
		}
	}
	return bad, codes
}
