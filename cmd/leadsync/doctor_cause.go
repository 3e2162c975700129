package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A cause is what kind of answer an error of Google's clients stands for.
type cause int

const (
	otherCause  cause = iota
	absent            // there is no such thing
	denied            // the account may not
	unknown           // the server does not know who asks
	unanswered        // no server answered, or not in time
	unsupported       // the server, a stand-in, does not do this
)

// causeOf tells the kinds apart, of REST and of gRPC.
func causeOf(err error) cause {
	var e *googleapi.Error
	if errors.As(err, &e) {
		switch {
		case e.Code == http.StatusNotFound:
			return absent
		case e.Code == http.StatusForbidden:
			return denied
		case e.Code == http.StatusUnauthorized:
			return unknown
		case e.Code == http.StatusNotImplemented:
			return unsupported
		case e.Code >= http.StatusInternalServerError:
			return unanswered
		}
		return otherCause
	}
	switch status.Code(err) {
	case codes.NotFound:
		return absent
	case codes.PermissionDenied:
		return denied
	case codes.Unauthenticated:
		return unknown
	case codes.Unavailable, codes.DeadlineExceeded:
		return unanswered
	case codes.Unimplemented:
		return unsupported
	}
	var call *url.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &call) {
		return unanswered
	}
	return otherCause
}

// said returns an error's text on one line.
func said(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
