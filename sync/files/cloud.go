package files

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"cloud.google.com/go/storage"
	"github.com/bmatcuk/doublestar/v4"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcerrors"
	"gocloud.dev/gcp"
)

const (
	scope    = "https://www.googleapis.com/auth/cloud-platform"
	emulator = "STORAGE_EMULATOR_HOST" // read by the vendor's client
)

// bucket returns the bucket of that name, which may not exist.
func (s *Store) bucket(ctx context.Context, name string) (*blob.Bucket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	if s.client == nil {
		if err := s.connect(); err != nil {
			return nil, err
		}
	}
	b, err := gcsblob.OpenBucket(context.WithoutCancel(ctx), &gcp.HTTPClient{Client: *s.client}, name, nil)
	if err != nil {
		return nil, err
	}
	var client *storage.Client
	if b.As(&client) {
		// Writing or deleting twice does what once does.
		client.SetRetry(storage.WithPolicy(storage.RetryAlways))
	}
	s.buckets[name] = b
	return b, nil
}

// connect makes the client of HTTP for all buckets.
func (s *Store) connect() error {
	wires := http.DefaultTransport.(*http.Transport).Clone()
	wires.MaxIdleConnsPerHost = 100
	// Over HTTP/2 all readers would share one connection, and its window.
	wires.Protocols = new(http.Protocols)
	wires.Protocols.SetHTTP1(true)
	if wires.TLSClientConfig == nil {
		wires.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	wires.TLSClientConfig.NextProtos = []string{"http/1.1"} // the clone offers HTTP/2 to servers
	client := &http.Client{Transport: wires}
	if os.Getenv(emulator) == "" {
		var err error
		client, err = httptransport.NewClient(&httptransport.Options{
			BaseRoundTripper: wires,
			DisableTelemetry: true,
			DetectOpts:       &credentials.DetectOptions{Scopes: []string{scope}},
		})
		if err != nil {
			return fmt.Errorf("%w; run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS=FILE", err)
		}
	}
	s.client, s.wires = client, wires
	return nil
}

// splitObject returns bucket and key of gs://bucket/key.
func splitObject(location string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(location, objectScheme), "/")
	if bucket == "" || strings.ContainsAny(bucket, "*?[{") {
		return "", "", fmt.Errorf("%s: the name of a bucket is wanted: gs://bucket/key", location)
	}
	return bucket, key, nil
}

// objects returns the objects that a path names, perhaps none.
func (s *Store) objects(ctx context.Context, path string) ([]File, error) {
	name, key, err := splitObject(path)
	if err != nil {
		return nil, err
	}
	b, err := s.bucket(ctx, name)
	if err != nil {
		return nil, explained("list", path, err)
	}
	if key != "" && !strings.HasSuffix(key, "/") {
		f, err := s.stat(ctx, b, name, key)
		if err == nil {
			return []File{f}, nil
		}
		// Forbidden is answered to those who may not list, whether it exists or not.
		if gcerrors.Code(err) != gcerrors.NotFound {
			return nil, explained("list", path, err)
		}
	}
	return s.matching(ctx, b, path, name, key)
}

// stat describes one object.
func (s *Store) stat(ctx context.Context, b *blob.Bucket, name, key string) (File, error) {
	var attributes *blob.Attributes
	err := s.call(ctx, func(ctx context.Context) (err error) {
		attributes, err = b.Attributes(ctx, key)
		return err
	})
	if err != nil {
		return File{}, err
	}
	return object(name, key, attributes.Size, attributes.As), nil
}

// object describes an object by what the vendor's client says of it.
func object(bucket, key string, size int64, as func(any) bool) File {
	f := File{Location: objectScheme + bucket + "/" + key, Size: size}
	var attributes storage.ObjectAttrs
	if as(&attributes) {
		f.Version = strconv.FormatInt(attributes.Generation, 10)
	}
	return f
}

// matching returns the objects whose keys match a pattern, lie in a folder, or
// begin like that.
func (s *Store) matching(ctx context.Context, b *blob.Bucket, path, name, key string) ([]File, error) {
	pattern, prefix := "", key
	if i := strings.IndexAny(key, `*?[{\`); i >= 0 {
		pattern, prefix = strings.TrimSuffix(key, "/"), key[:i]
		if !doublestar.ValidatePattern(pattern) {
			return nil, fmt.Errorf("list %s: %w", path, doublestar.ErrBadPattern)
		}
	}
	folder := key
	if key != "" && !strings.HasSuffix(key, "/") {
		folder += "/"
	}
	var below, begin []File
	err := s.each(ctx, b, prefix, func(o *blob.ListObject) {
		switch {
		case strings.HasSuffix(o.Key, "/") && o.Size == 0: // a folder's
		case pattern != "" && !matches(pattern, o.Key):
		case pattern != "" || strings.HasPrefix(o.Key, folder):
			below = append(below, object(name, o.Key, o.Size, o.As))
		default:
			begin = append(begin, object(name, o.Key, o.Size, o.As))
		}
	})
	if err != nil {
		return nil, explained("list", path, err)
	}
	if len(below) > 0 {
		return below, nil
	}
	return begin, nil
}

// matches reports whether the key, or a folder that it lies in, matches.
func matches(pattern, key string) bool {
	for i := 0; i <= len(key); i++ {
		if (i == len(key) || key[i] == '/') && doublestar.MatchUnvalidated(pattern, key[:i]) {
			return true
		}
	}
	return false
}

// each calls yield for every object whose key begins with the prefix.
func (s *Store) each(ctx context.Context, b *blob.Bucket, prefix string, yield func(*blob.ListObject)) error {
	options := &blob.ListOptions{Prefix: prefix, BeforeList: func(as func(any) bool) error {
		var query *storage.Query
		if !as(&query) {
			return nil
		}
		query.Projection = storage.ProjectionNoACL
		return query.SetAttrSelection([]string{"Name", "Size", "Generation"})
	}}
	for token := blob.FirstPageToken; token != nil; {
		var page []*blob.ListObject
		err := s.call(ctx, func(ctx context.Context) (err error) {
			page, token, err = b.ListPage(ctx, token, s.page, options)
			return err
		})
		if err != nil {
			return err
		}
		for _, o := range page {
			yield(o)
		}
	}
	return nil
}

// call calls f, which fails if it takes too long.
func (s *Store) call(ctx context.Context, f func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, s.quiet)
	defer cancel()
	err := f(within)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case within.Err() != nil:
		return s.lasting(err)
	default:
		return err
	}
}
