package bqtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/api/googleapi"
)

// maxBody bounds what is read of a REST request, in bytes.
const maxBody = 10 << 20

// routes returns the handler of the REST side. Paths are taken with and
// without the prefix that the real endpoint has.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	const dataset = "/projects/{project}/datasets/{dataset}"
	handle := func(pattern string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			answer(w, r, v, err)
		})
	}
	handle("GET /projects/{project}/datasets", s.listDatasets)
	handle("POST /projects/{project}/datasets", s.insertDataset)
	handle("GET "+dataset, s.getDataset)
	handle("PATCH "+dataset, s.changeDataset)
	handle("PUT "+dataset, s.changeDataset)
	handle("DELETE "+dataset, s.deleteDataset)
	handle("GET "+dataset+"/tables", s.listTables)
	handle("POST "+dataset+"/tables", s.insertTable)
	handle("GET "+dataset+"/tables/{table}", s.getTable)
	handle("PATCH "+dataset+"/tables/{table}", s.changeTable)
	handle("PUT "+dataset+"/tables/{table}", s.changeTable)
	handle("DELETE "+dataset+"/tables/{table}", s.deleteTable)
	handle("POST "+dataset+"/tables/{call}", s.testPermissions)
	handle("GET "+dataset+"/tables/{table}/data", s.listRows)
	handle("POST /projects/{project}/queries", s.query)
	handle("GET /projects/{project}/queries/{job}", s.queryResults)
	handle("POST /projects/{project}/jobs", s.insertJob)
	handle("GET /projects/{project}/jobs/{job}", s.getJob)
	handle("POST /projects/{project}/jobs/{job}/cancel", s.cancelJob)
	handle("/", func(r *http.Request) (any, error) {
		return nil, fail(http.StatusNotImplemented, "notImplemented", "%s %s is not there in this stand-in", r.Method, r.URL.Path)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/bigquery/v2")
		s.mu.Lock()
		onREST := s.onREST
		s.mu.Unlock()
		if onREST != nil {
			if err := onREST(r); err != nil {
				answer(w, r, nil, err)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// FailREST lets a test answer REST requests with an error before they are
// looked at: f returns nil for requests that are to go through. A
// [*googleapi.Error] is answered with its code, message and reason, any other
// error as 500 internalError. Note that the client retries 500, 502, 503 and
// 504 and some reasons until its context ends. The request's path begins with
// "/projects/". f may run concurrently; a nil f removes it.
func (s *Server) FailREST(f func(r *http.Request) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onREST = f
}

// fail returns an error as the service words it.
func fail(code int, reason, format string, args ...any) error {
	m := fmt.Sprintf(format, args...)
	return &googleapi.Error{Code: code, Message: m, Errors: []googleapi.ErrorItem{{Reason: reason, Message: m}}}
}

// invalid wraps an error of a check.
func invalid(err error) error {
	return fail(http.StatusBadRequest, "invalid", "%s", sentence(err))
}

func notFound(kind, name string) error {
	return fail(http.StatusNotFound, "notFound", "Not found: %s %s", kind, name)
}

func duplicate(kind, name string) error {
	return fail(http.StatusConflict, "duplicate", "Already Exists: %s %s", kind, name)
}

// statusNames are the names that stand beside the codes in an error's body.
var statusNames = map[int]string{
	http.StatusBadRequest:         "INVALID_ARGUMENT",
	http.StatusUnauthorized:       "UNAUTHENTICATED",
	http.StatusForbidden:          "PERMISSION_DENIED",
	http.StatusNotFound:           "NOT_FOUND",
	http.StatusConflict:           "ALREADY_EXISTS",
	http.StatusPreconditionFailed: "FAILED_PRECONDITION",
	http.StatusTooManyRequests:    "RESOURCE_EXHAUSTED",
	http.StatusNotImplemented:     "UNIMPLEMENTED",
	http.StatusServiceUnavailable: "UNAVAILABLE",
}

// answer writes what a handler returned.
func answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	code := http.StatusOK
	switch {
	case err != nil:
		var e *googleapi.Error
		if !errors.As(err, &e) {
			e = &googleapi.Error{Code: http.StatusInternalServerError, Message: err.Error()}
		}
		code, v = e.Code, errorBody(e)
	case v == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		if tagged, ok := v.(interface{ tag() string }); ok {
			w.Header().Set("ETag", tagged.tag())
			if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == tagged.tag() {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	body, err := json.Marshal(v)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":{"code":500}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	w.Write(body)
}

func errorBody(e *googleapi.Error) any {
	reason := "internalError"
	if len(e.Errors) > 0 {
		reason = e.Errors[0].Reason
	}
	name, ok := statusNames[e.Code]
	if !ok {
		name = "INTERNAL"
	}
	return map[string]any{"error": map[string]any{
		"code":    e.Code,
		"message": e.Message,
		"status":  name,
		"errors":  []any{map[string]any{"domain": "global", "reason": reason, "message": e.Message}},
	}}
}

// readBody decodes a request's body, as it came and into v. A key that v does
// not have is refused, as by the service.
func readBody(r *http.Request, v any) (map[string]any, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "invalid", "body cannot be read: %v", err)
	}
	if len(data) > maxBody {
		return nil, fail(http.StatusRequestEntityTooLarge, "uploadTooLarge", "request is larger than %d bytes", maxBody)
	}
	var raw map[string]any
	if err := decodeJSON(data, &raw); err != nil {
		return nil, fail(http.StatusBadRequest, "parseError", "Parse Error: %v", err)
	}
	if err := decodeJSON(data, v); err != nil {
		return nil, fail(http.StatusBadRequest, "invalid", "Invalid JSON payload received. %v", err)
	}
	return raw, nil
}

func decodeJSON(data []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// page cuts one page out of n things: the request's maxResults at most, from
// its pageToken or startIndex on. next is "" at the end.
func page(r *http.Request, n int) (from, to int, next string, err error) {
	q := r.URL.Query()
	number := func(name string, otherwise int) int {
		text := q.Get(name)
		if text == "" || err != nil {
			return otherwise
		}
		v, perr := strconv.Atoi(text)
		if perr != nil || v < 0 {
			err = fail(http.StatusBadRequest, "invalid", "Invalid value for %s: %q", name, text)
		}
		return v
	}
	from = number("startIndex", 0)
	from = min(number("pageToken", from), n)
	to = min(from+number("maxResults", n), n)
	if to < n {
		next = strconv.Itoa(to)
	}
	return from, to, next, err
}
