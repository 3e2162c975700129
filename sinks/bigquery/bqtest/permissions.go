package bqtest

import (
	"net/http"
	"slices"
	"strings"

	rest "google.golang.org/api/bigquery/v2"
)

// testPermissions serves tables.testIamPermissions: it grants what is asked
// for but writing to a table for which [Server.Deny] is set.
func (s *Server) testPermissions(r *http.Request) (any, error) {
	name, ok := strings.CutSuffix(r.PathValue("call"), ":testIamPermissions")
	if !ok {
		return nil, fail(http.StatusNotImplemented, "notImplemented", "POST %s is not there in this stand-in", r.URL.Path)
	}
	var in rest.TestIamPermissionsRequest
	if _, err := readBody(r, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.dataset(r)
	if err != nil {
		return nil, err
	}
	t, ok := d.tables[name]
	if !ok {
		return nil, notFound("Table", d.meta.Id+"."+name)
	}
	granted := slices.Clone(in.Permissions)
	if s.switchesOf(keyOf(t.meta)).denied {
		granted = slices.DeleteFunc(granted, func(p string) bool { return p == "bigquery.tables.updateData" })
	}
	return &rest.TestIamPermissionsResponse{Permissions: granted}, nil
}
