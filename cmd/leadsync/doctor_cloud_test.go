package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc"

	"leadsync/sinks/bigquery/bqtest"
)

// permissions is the part of Pub/Sub that answers who may do what. The zero
// one grants everything that is asked for.
type permissions struct {
	iampb.UnimplementedIAMPolicyServer

	mu       sync.Mutex
	without  []string // permissions that the account lacks
	policies map[string]*iampb.Policy
}

// lacks takes a permission away and gives back all others.
func (p *permissions) lacks(permission string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.without = []string{permission}
}

// forget takes the policy of a resource away.
func (p *permissions) forget(resource string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policies[resource] = &iampb.Policy{}
}

func (p *permissions) TestIamPermissions(_ context.Context, r *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	granted := slices.DeleteFunc(slices.Clone(r.Permissions), func(s string) bool { return slices.Contains(p.without, s) })
	return &iampb.TestIamPermissionsResponse{Permissions: granted}, nil
}

func (p *permissions) GetIamPolicy(_ context.Context, r *iampb.GetIamPolicyRequest) (*iampb.Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policies[r.Resource], nil
}

const (
	testSubscription = "projects/acme/subscriptions/leads"
	testUndelivered  = "projects/acme/topics/undelivered"
	testAgent        = "serviceAccount:service-123@gcp-sa-pubsub.iam.gserviceaccount.com"
)

// A clinic is a Pub/Sub and a BigQuery in which everything is in order.
type clinic struct {
	cloud
	permissions *permissions
}

// newClinic starts one, in which subscription is set up as it is; nil: there
// is none.
func newClinic(t *testing.T, subscription *pubsubpb.Subscription, reactors ...pstest.ServerReactorOption) *clinic {
	t.Helper()
	c := &clinic{permissions: &permissions{policies: map[string]*iampb.Policy{
		testSubscription: {Bindings: []*iampb.Binding{{Role: "roles/pubsub.subscriber", Members: []string{testAgent}}}},
		testUndelivered:  {Bindings: []*iampb.Binding{{Role: "roles/pubsub.publisher", Members: []string{testAgent}}}},
	}}}
	c.pubsub = pstest.NewServerWithCallback(0, func(s *grpc.Server) { iampb.RegisterIAMPolicyServer(s, c.permissions) }, reactors...)
	t.Cleanup(func() { _ = c.pubsub.Close() })
	c.bigquery = bqtest.New(t)
	c.bigquery.OnQuery(func(*bqtest.Query) (*bqtest.Result, error) { return &bqtest.Result{}, nil })
	for _, topic := range []string{testTopic, testUndelivered} {
		if _, err := c.pubsub.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
	}
	c.subscribe(t, &pubsubpb.Subscription{Name: "projects/acme/subscriptions/undelivered", Topic: testUndelivered, AckDeadlineSeconds: 60,
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{}})
	if subscription != nil {
		c.subscribe(t, subscription)
	}
	c.environ = append(os.Environ(),
		"PUBSUB_EMULATOR_HOST="+c.pubsub.Addr, "PUBSUB_SUBSCRIPTION=leads", "GOOGLE_CLOUD_PROJECT=acme",
		"SINK=bigquery", "BIGQUERY_ENDPOINT="+c.bigquery.RESTURL(), "BIGQUERY_STORAGE_ENDPOINT="+c.bigquery.StorageAddr(),
		"BIGQUERY_INSECURE=true", "BIGQUERY_LOCATION=EU", "AUTOMEMLIMIT=off", "GORACE=atexit_sleep_ms=0")
	return c
}

func (c *clinic) subscribe(t *testing.T, s *pubsubpb.Subscription) {
	t.Helper()
	if _, err := c.pubsub.GServer.CreateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// A chart is what the doctor said and how it ended.
type chart struct {
	found  []finding
	status int
	text   string // all of its output
}

// examine runs the program, and checks what is true of every examination: the
// status is the number of failures, and all that is not in order says how to
// mend it.
func examine(t *testing.T, environ []string, args ...string) chart {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "leadsync", append([]string{"doctor", "--format", "json"}, args...)...)
	cmd.Env = environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // its status is what counts
	c := chart{status: cmd.ProcessState.ExitCode(), text: stdout.String() + stderr.String()}
	for lines := bufio.NewScanner(&stdout); lines.Scan(); {
		var f finding
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if (f.Verdict == failed || f.Verdict == warned) && f.Mend == "" || f.Found == "" {
			t.Errorf("nothing is said of how to mend it: %+v", f)
		}
		c.found = append(c.found, f)
	}
	if n := c.count(failed); n != c.status {
		t.Errorf("exit status %d with %d failures:\n%s", c.status, n, c.text)
	}
	return c
}

func (c chart) count(v verdict) (n int) {
	for _, f := range c.found {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// want reports whether a line of the check says it.
func (c chart) want(t *testing.T, check string, w want) {
	t.Helper()
	for _, f := range c.found {
		if f.Check == check && f.Verdict == w.verdict && strings.Contains(f.Found, w.found) && strings.Contains(f.Mend, w.mend) {
			return
		}
	}
	t.Errorf("no line of %s says %+v:\n%s", check, w, c.text)
}
