package main

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"leadsync/sync/files"
)

// staging puts an empty object where backfills put what BigQuery loads, and
// deletes it: that is all they need, and nothing else tells.
func (d *doctor) staging(ctx context.Context) []finding {
	const check = "staging bucket"
	bucket, _, _ := strings.Cut(strings.TrimPrefix(d.cfg.BackfillStaging, "gs://"), "/")
	place := staging{files.New(nil), strings.TrimSuffix(d.cfg.BackfillStaging, "/")}
	err := place.try(ctx, "leadsync-doctor-"+rand.Text())
	if err := errors.Join(err, place.store.Close()); err != nil {
		return []finding{{check, warned, said(err) + ": backfills by load jobs do not work; the worker does not need it",
			"gcloud storage buckets add-iam-policy-binding gs://" + bucket + " --member=" + d.account + " --role=roles/storage.objectAdmin"}}
	}
	return []finding{isFine(check, "%s takes objects (one was put there and deleted)", d.cfg.BackfillStaging)}
}

// try writes an object and deletes it.
func (s staging) try(ctx context.Context, name string) error {
	w, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.Delete(ctx, name)
}
