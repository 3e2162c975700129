package pull

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// isSetup reports whether a person must act.
func isSetup(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.FailedPrecondition:
		return true
	default:
		return false
	}
}

// remedy says in words what mends the error.
func remedy(err error) string {
	switch status.Code(err) {
	case codes.NotFound:
		return "create the subscription, or name another by PUBSUB_SUBSCRIPTION and GOOGLE_CLOUD_PROJECT"
	case codes.PermissionDenied:
		return "grant the worker's service account roles/pubsub.subscriber on the subscription"
	case codes.Unauthenticated:
		return "give the worker credentials: a service account where it runs, or GOOGLE_APPLICATION_CREDENTIALS"
	case codes.InvalidArgument:
		return "check PUBSUB_SUBSCRIPTION"
	case codes.FailedPrecondition:
		return "the subscription must be one to pull from, neither push nor export, and not detached"
	case codes.ResourceExhausted:
		return "raise the project's Pub/Sub quota for pulling, or wait"
	case codes.Unavailable, codes.DeadlineExceeded:
		return "it may pass by itself; else check the way to Pub/Sub: network, firewall, proxy, PUBSUB_EMULATOR_HOST"
	default:
		return "it may pass by itself"
	}
}

// explained names the subscription and the remedy.
func (s *Source) explained(err error) error {
	return fmt.Errorf("pull from subscription %s: %w; %s", s.name, err, remedy(err))
}
