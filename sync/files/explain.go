package files

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
)

// explained names what was done to which location, why it failed and what
// mends that. Nothing that gives access is in it: neither a token nor the
// address of an upload.
func explained(verb, location string, err error) error {
	if err == nil {
		return nil
	}
	bucket, _, _ := strings.Cut(strings.TrimPrefix(location, objectScheme), "/")
	err = bare(err)
	if mend := remedy(verb, bucket, err); mend != "" {
		return fmt.Errorf("%s %s: %w; %s", verb, location, err, mend)
	}
	return fmt.Errorf("%s %s: %w", verb, location, err)
}

// bare says no more than is of use, and keeps what the error is.
func bare(err error) error {
	var api *googleapi.Error
	var token *auth.Error
	var call *url.Error
	switch {
	case errors.Is(err, storage.ErrBucketNotExist):
		return storage.ErrBucketNotExist
	case errors.As(err, &token):
		return &shortened{err, "no token was given for the credentials" + status(token)}
	case errors.As(err, &api):
		return &shortened{err, fmt.Sprintf("%d %s: %s", api.Code, http.StatusText(api.Code), said(api))}
	case errors.As(err, &call): // the address of an upload is as good as a token
		at, parseErr := url.Parse(call.URL)
		if parseErr != nil {
			return call.Err
		}
		return &shortened{err, fmt.Sprintf("%s %s: %v", strings.ToUpper(call.Op), at.Host, call.Err)}
	case strings.HasPrefix(err.Error(), "blob "):
		return &shortened{err, below(err).Error()}
	default:
		return err
	}
}

// below returns what an error of a bucket is about: the first that it wraps.
func below(err error) error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok || len(many.Unwrap()) == 0 {
		return err
	}
	return many.Unwrap()[0]
}

func status(err *auth.Error) string {
	if err.Response == nil {
		return ""
	}
	return ": " + err.Response.Status
}

// details is where the answers of Cloud Storage in XML say what is the matter.
var details = regexp.MustCompile(`(?s)<(?:Details|Message)>(.*?)</`)

// said is what the service says of an error, of a reasonable length.
func said(api *googleapi.Error) string {
	text := api.Message
	if text == "" {
		if found := details.FindAllStringSubmatch(api.Body, 2); len(found) > 0 {
			text = found[len(found)-1][1]
		} else {
			text = api.Body
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 300)]
}

// remedy says in words what mends the error, "" if nobody knows.
func remedy(verb, bucket string, err error) string {
	var api *googleapi.Error
	var token *auth.Error
	switch {
	case errors.As(err, &token):
		return "renew the credentials: gcloud auth application-default login, or another GOOGLE_APPLICATION_CREDENTIALS"
	case errors.Is(err, storage.ErrBucketNotExist):
		return "check the name of the bucket " + bucket
	case !errors.As(err, &api):
		return ""
	}
	switch {
	case api.Code == http.StatusUnauthorized:
		return "give credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS=FILE"
	case api.Code == http.StatusForbidden && (verb == "create" || verb == "delete"):
		return "grant the account roles/storage.objectUser on the bucket " + bucket
	case api.Code == http.StatusForbidden:
		return "grant the account roles/storage.objectViewer on the bucket " + bucket + ", for storage.objects.list and storage.objects.get"
	case api.Code == http.StatusNotFound && verb == "create":
		return "check the name of the bucket " + bucket
	default:
		return ""
	}
}

func forbidden(err error) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == http.StatusForbidden
}

// lasting returns what was in the way of a call that came to nothing, which is
// silence if no more is known than that it was given up.
func (s *Store) lasting(err error) error {
	var api *googleapi.Error
	var call *url.Error
	if errors.As(err, &api) || errors.As(err, &call) && !givenUp(call.Err) || !givenUp(err) {
		return err
	}
	return s.silent()
}

// silent is why a call, a read or a write was given up.
func (s *Store) silent() error {
	return fmt.Errorf("nothing came of it within %v", s.quiet)
}

func givenUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errStalled)
}

// A shortened error is an error in words of its own.
type shortened struct {
	error
	text string
}

func (s *shortened) Error() string { return s.text }

func (s *shortened) Unwrap() error { return s.error }
