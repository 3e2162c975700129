package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// The staging bucket must be found in order where it takes objects, with nothing
// left in it, and not where it does not; it is no failure, since the worker does
// without. Catches a check that only looks whether the bucket is named.
func TestDoctorStaging(t *testing.T) {
	t.Parallel()
	c := newClinic(t, soundSubscription())
	c.apply(t)
	storage := newStorage(t)
	environ := append(c.environ, reach(storage))
	examine(t, append(environ, "BACKFILL_STAGING=gs://staging/p/"), "--timeout=20s").want(t, "staging bucket", want{fine, "takes objects", ""})
	left, err := http.Get(storage.URL() + "/storage/v1/b/staging/o")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = left.Body.Close() }()
	if body, err := io.ReadAll(left.Body); err != nil || bytes.Contains(body, []byte("leadsync-doctor")) {
		t.Errorf("left behind: %s, %v", body, err)
	}
	got := examine(t, append(environ, "BACKFILL_STAGING=gs://none/p"), "--timeout=20s")
	got.want(t, "staging bucket", want{warned, "none", "gcloud storage buckets add-iam-policy-binding gs://none"})
}
