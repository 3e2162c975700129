package bqtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	rest "google.golang.org/api/bigquery/v2"
)

const (
	maxLoadRow        = 100 << 20 // bytes
	maxLoadPartitions = 4_000
	maxListedErrors   = 5
)

// sourceURI takes one asterisk, in the key.
var sourceURI = regexp.MustCompile(`^gs://([a-z0-9][a-z0-9._-]+)/([^*]+|[^*]*\*[^*]*)$`)

// loaded is what a job has read.
type loaded struct {
	rows  []map[string]any
	bytes int64
	files int
	bad   int
}

// A loadError is why a job fails. Its text may quote values, as the service's does.
type loadError struct{ reason, location, message string }

func (e *loadError) Error() string { return e.message }

// readObjects reads all rows of a job, or says why it fails.
func readObjects(ctx context.Context, storage string, to *rest.Table, uris []string) (loaded, []*rest.ErrorProto) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	b := &bucketReader{client: &http.Client{Transport: transport}, url: storage}
	in := loaded{}
	var errs []*rest.ErrorProto
	for _, uri := range uris {
		objects, err := b.list(ctx, uri)
		for _, o := range objects {
			if err == nil {
				err = b.read(ctx, o, func(line []byte, at int64) {
					row, err := loadRow(to.Schema.Fields, line)
					if err == nil {
						in.rows = append(in.rows, row)
						return
					}
					if in.bad++; in.bad <= maxListedErrors {
						errs = append(errs, &rest.ErrorProto{Reason: "invalid", Location: o.uri(), Message: fmt.Sprintf(
							"Error while reading data, error message: JSON parsing error in row starting at position %d: %s", at, sentence(err))})
					}
				})
				in.files++
				in.bytes += o.size
			}
		}
		if err != nil {
			return in, []*rest.ErrorProto{protoOf(err)}
		}
	}
	if in.bad > 0 {
		first := &rest.ErrorProto{Reason: "invalid", Location: errs[0].Location, Message: fmt.Sprintf(
			"Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: %d; errors: %d. Please look into the errors[] collection for more details.", len(in.rows)+in.bad, in.bad)}
		return in, append([]*rest.ErrorProto{first}, errs...)
	}
	if n := partitions(in.rows, to.TimePartitioning); n > maxLoadPartitions {
		return in, []*rest.ErrorProto{{Reason: "invalid", Message: fmt.Sprintf(
			"Too many partitions produced by load, allowed %d, load produces at least %d partitions", maxLoadPartitions, n)}}
	}
	return in, nil
}

func protoOf(err error) *rest.ErrorProto {
	var e *loadError
	if errors.As(err, &e) {
		return &rest.ErrorProto{Reason: e.reason, Location: e.location, Message: e.message}
	}
	return &rest.ErrorProto{Reason: "backendError", Message: "Error encountered during execution. Retrying may solve the problem."}
}

// partitions counts the days that rows are in. What is outside of 1960 to
// 2159, and NULL, shares one.
func partitions(rows []map[string]any, p *rest.TimePartitioning) int {
	if p == nil || p.Field == "" {
		return 1
	}
	days := map[int64]bool{}
	for _, row := range rows {
		at, _ := row[p.Field].(time.Time)
		if at.Year() < 1960 || at.Year() > 2159 {
			at = time.Time{}
		}
		days[at.Truncate(24*time.Hour).Unix()] = true
	}
	return len(days)
}

// An object is one file to read.
type object struct {
	bucket, key string
	size        int64
}

func (o object) uri() string { return "gs://" + o.bucket + "/" + o.key }

// A bucketReader reads objects by Cloud Storage's API.
type bucketReader struct {
	client *http.Client
	url    string
}

// list returns the objects that a URI names, at least one.
func (b *bucketReader) list(ctx context.Context, uri string) ([]object, error) {
	m := sourceURI.FindStringSubmatch(uri)
	prefix, suffix, wild := strings.Cut(m[2], "*")
	if !wild {
		return []object{{bucket: m[1], key: m[2]}}, nil
	}
	var found []object
	query := url.Values{"prefix": {prefix}}
	for {
		body, err := b.get(ctx, "/storage/v1/b/"+url.PathEscape(m[1])+"/o?"+query.Encode(), uri)
		if err != nil {
			return nil, err
		}
		var page struct {
			Items         []struct{ Name string }
			NextPageToken string
		}
		err = errors.Join(json.NewDecoder(body).Decode(&page), body.Close())
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if strings.HasSuffix(item.Name[len(prefix):], suffix) {
				found = append(found, object{bucket: m[1], key: item.Name})
			}
		}
		if page.NextPageToken == "" {
			break
		}
		query.Set("pageToken", page.NextPageToken)
	}
	if len(found) == 0 {
		return nil, &loadError{"notFound", "", "Not found: Uris List of uris (possibly truncated): json: file_name: " + uri}
	}
	return found, nil
}

// read hands over the lines of an object with the places where they begin.
// Empty ones are passed over.
func (b *bucketReader) read(ctx context.Context, o object, row func(line []byte, at int64)) error {
	body, err := b.get(ctx, "/storage/v1/b/"+url.PathEscape(o.bucket)+"/o/"+url.PathEscape(o.key)+"?alt=media", o.uri())
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 1<<20), maxLoadRow+1)
	for at := int64(0); lines.Scan(); {
		line := lines.Bytes()
		if len(line) > 0 {
			row(line, at)
		}
		at += int64(len(line)) + 1
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return &loadError{"invalid", o.uri(), fmt.Sprintf("Error while reading data, error message: Row size is larger than: %d.", maxLoadRow)}
	}
	return lines.Err()
}

func (b *bucketReader) get(ctx context.Context, path, uri string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound:
		return nil, &loadError{"notFound", "", "Not found: URI " + uri}
	case http.StatusForbidden, http.StatusUnauthorized:
		return nil, &loadError{"accessDenied", "", "Access Denied: File " + uri + ": Access Denied"}
	default:
		return nil, fmt.Errorf("read %s: HTTP status %d", uri, resp.StatusCode)
	}
}
