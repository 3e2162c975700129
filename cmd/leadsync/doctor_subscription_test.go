package main

import (
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// soundSubscription passes every check.
func soundSubscription() *pubsubpb.Subscription {
	return &pubsubpb.Subscription{
		Name: "projects/acme/subscriptions/leads", Topic: testTopic, AckDeadlineSeconds: 60,
		ExpirationPolicy:         &pubsubpb.ExpirationPolicy{},
		RetryPolicy:              &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(10 * time.Second), MaximumBackoff: durationpb.New(600 * time.Second)},
		MessageRetentionDuration: durationpb.New(7 * 24 * time.Hour),
		RetainAckedMessages:      true,
		DeadLetterPolicy:         &pubsubpb.DeadLetterPolicy{DeadLetterTopic: "projects/acme/topics/undelivered", MaxDeliveryAttempts: 20},
	}
}

// A rule is tested by one way to break it: then one line must say so, with
// the command that mends it, and all others must stay as they were.
type broken struct {
	name    string
	how     func(*pubsubpb.Subscription)
	check   string
	verdict verdict
	found   string
	mend    string
}

var brokenSubscriptions = []broken{
	{"detached", func(s *pubsubpb.Subscription) { s.Detached = true }, "delivery", failed, "detached",
		"gcloud pubsub subscriptions delete leads --project=acme && gcloud pubsub subscriptions create leads --project=acme --topic=" + testTopic},
	{"topic gone", func(s *pubsubpb.Subscription) { s.Topic = deletedTopic }, "delivery", failed, "topic was deleted", "subscriptions create leads --project=acme --topic=TOPIC"},
	{"push", func(s *pubsubpb.Subscription) {
		s.PushConfig = &pubsubpb.PushConfig{PushEndpoint: "https://example.test"}
	}, "delivery", failed, "pushes", "gcloud pubsub subscriptions modify-push-config leads --project=acme --push-endpoint="},
	{"bigquery", func(s *pubsubpb.Subscription) { s.BigqueryConfig = &pubsubpb.BigQueryConfig{Table: "p.d.t"} },
		"delivery", failed, "exports to BigQuery", "create NEW --project=acme --topic=" + testTopic},
	{"bucket", func(s *pubsubpb.Subscription) { s.CloudStorageConfig = &pubsubpb.CloudStorageConfig{Bucket: "b"} },
		"delivery", failed, "exports to Cloud Storage", "PUBSUB_SUBSCRIPTION=NEW"},
	{"bigtable", func(s *pubsubpb.Subscription) { s.BigtableConfig = &pubsubpb.BigtableConfig{Table: "t"} },
		"delivery", failed, "exports to Bigtable", "PUBSUB_SUBSCRIPTION=NEW"},
	{"default expiry", func(s *pubsubpb.Subscription) { s.ExpirationPolicy = nil }, "expiration", warned, "after 31 days",
		"gcloud pubsub subscriptions update leads --project=acme --expiration-period=never"},
	{"expires before its messages", func(s *pubsubpb.Subscription) { s.ExpirationPolicy.Ttl = durationpb.New(7 * 24 * time.Hour) },
		"expiration", failed, "after 7 days", "--expiration-period=never"},
	{"short lease", func(s *pubsubpb.Subscription) { s.AckDeadlineSeconds = 10 }, "ack deadline", warned, "10 s",
		"gcloud pubsub subscriptions update leads --project=acme --ack-deadline=60"},
	{"no retry policy", func(s *pubsubpb.Subscription) { s.RetryPolicy = nil }, "retry policy", warned, "none",
		"gcloud pubsub subscriptions update leads --project=acme --min-retry-delay=10s --max-retry-delay=600s"},
	{"eager retry policy", func(s *pubsubpb.Subscription) { s.RetryPolicy.MinimumBackoff = durationpb.New(0) }, "retry policy", warned, "from 0s", "--min-retry-delay=10s"},
	{"weekend", func(s *pubsubpb.Subscription) { s.MessageRetentionDuration = durationpb.New(48 * time.Hour) }, "retention", warned, "within 2 days",
		"gcloud pubsub subscriptions update leads --project=acme --message-retention-duration=7d"},
	{"an hour", func(s *pubsubpb.Subscription) { s.MessageRetentionDuration = durationpb.New(time.Hour) }, "retention", failed, "within 1h0m0s", "--message-retention-duration=7d"},
	{"no replay", func(s *pubsubpb.Subscription) { s.RetainAckedMessages = false }, "replay", warned, "nothing can be pulled again",
		"gcloud pubsub subscriptions update leads --project=acme --retain-acked-messages"},
	{"filter", func(s *pubsubpb.Subscription) { s.Filter = `attributes.tenant = "a"` }, "filter", fine, `attributes.tenant = "a": what it leaves out never arrives`, ""},
	{"exactly once", func(s *pubsubpb.Subscription) { s.EnableExactlyOnceDelivery = true }, "extras", fine, "exactly-once delivery: not needed", ""},
	{"ordering", func(s *pubsubpb.Subscription) { s.EnableMessageOrdering = true }, "extras", fine, "message ordering: not needed", ""},
	{"transforms", func(s *pubsubpb.Subscription) { s.MessageTransforms = []*pubsubpb.MessageTransform{{}} }, "extras", fine, "change messages", ""},
	{"no dead-letter policy", func(s *pubsubpb.Subscription) { s.DeadLetterPolicy = nil }, "dead letters", warned, "no policy",
		"gcloud pubsub topics create leads-undelivered --project=acme && gcloud pubsub subscriptions create leads-undelivered --project=acme " +
			"--topic=leads-undelivered --expiration-period=never --message-retention-duration=7d && " +
			"gcloud pubsub subscriptions update leads --project=acme --dead-letter-topic=leads-undelivered --max-delivery-attempts=20"},
	{"round and round", func(s *pubsubpb.Subscription) { s.DeadLetterPolicy.DeadLetterTopic = s.Topic }, "dead letters", failed, "the topic itself", "--dead-letter-topic=leads-undelivered"},
	{"dead-letter topic gone", func(s *pubsubpb.Subscription) { s.DeadLetterPolicy.DeadLetterTopic = deletedTopic }, "dead letters", failed, "was deleted", "topics create"},
	{"five attempts", func(s *pubsubpb.Subscription) { s.DeadLetterPolicy.MaxDeliveryAttempts = 5 }, "dead letters", warned, "attempts 5",
		"gcloud pubsub subscriptions update leads --project=acme --dead-letter-topic=projects/acme/topics/undelivered --max-delivery-attempts=20"},
}

func judgeAll(s *pubsubpb.Subscription) []finding {
	return append(judgeSubscription(s), judgeDeadLetterPolicy(s)...)
}

// Every rule about a subscription must see what breaks it, and say the command
// that mends it with the names filled in. Catches a threshold that is off and
// a rule that is not asked.
func TestSubscriptionRules(t *testing.T) {
	for _, f := range judgeAll(soundSubscription()) {
		if f.Verdict != fine || f.Mend != "" {
			t.Errorf("sound: %+v", f)
		}
	}
	for _, tt := range brokenSubscriptions {
		s := soundSubscription()
		tt.how(s)
		hit := 0
		for _, f := range judgeAll(s) {
			switch {
			case f.Check != tt.check:
				if f.Verdict != fine {
					t.Errorf("%s: also %+v", tt.name, f)
				}
			case f.Verdict != tt.verdict || !strings.Contains(f.Found, tt.found) || !strings.Contains(f.Mend, tt.mend) || f.Mend == "" && tt.mend != "":
				t.Errorf("%s: %+v", tt.name, f)
			default:
				hit++
			}
		}
		if hit != 1 {
			t.Errorf("%s: %d lines tell of it", tt.name, hit)
		}
	}
}

// What the topic keeps is as good as what the subscription does, and 31 days
// of a topic do not make a subscription expire later.
func TestReplayByTopic(t *testing.T) {
	s := soundSubscription()
	s.RetainAckedMessages, s.TopicMessageRetentionDuration = false, durationpb.New(31*24*time.Hour)
	if f := (subscribed{s, nameOf(s.Name)}).replay(); f.Verdict != fine || f.Found != "the topic keeps messages for 31 days" {
		t.Errorf("%+v", f)
	}
}

// A permission is lacking only if the server says so; what it does not answer
// is not known.
func TestJudgePermission(t *testing.T) {
	for _, tt := range []struct {
		granted []string
		err     error
		want    verdict
	}{
		{[]string{"p"}, nil, fine},
		{nil, nil, failed},
		{[]string{"q"}, nil, failed},
		{nil, status.Error(codes.Unimplemented, "x"), skipped},
		{nil, status.Error(codes.PermissionDenied, "x"), skipped},
		{nil, status.Error(codes.Unavailable, "x"), failed},
	} {
		f := judgePermission("consuming", "p", tt.granted, tt.err, "grant it")
		if f.Verdict != tt.want || (f.Verdict == failed) != (f.Mend != "") {
			t.Errorf("%v, %v: %+v", tt.granted, tt.err, f)
		}
	}
}

// Pub/Sub's own account must be looked for by what it is, under any role that
// will do; without it the command names the role and the account.
func TestJudgeAgent(t *testing.T) {
	agent := "serviceAccount:service-123@gcp-sa-pubsub.iam.gserviceaccount.com"
	grant := nameOf(testTopic).grantAgent(serviceAgent("acme"), "roles/pubsub.publisher")
	for _, tt := range []struct {
		policy *iampb.Policy
		err    error
		want   verdict
	}{
		{&iampb.Policy{Bindings: []*iampb.Binding{{Role: "roles/pubsub.publisher", Members: []string{"user:a@b", agent}}}}, nil, fine},
		{&iampb.Policy{Bindings: []*iampb.Binding{{Role: "roles/pubsub.editor", Members: []string{agent}}}}, nil, fine},
		{&iampb.Policy{Bindings: []*iampb.Binding{{Role: "roles/pubsub.viewer", Members: []string{agent}}}}, nil, warned},
		{&iampb.Policy{Bindings: []*iampb.Binding{{Role: "roles/pubsub.publisher", Members: []string{"user:a@b"}}}}, nil, warned},
		{&iampb.Policy{}, nil, warned},
		{nil, status.Error(codes.PermissionDenied, "x"), skipped},
		{nil, status.Error(codes.Unimplemented, "x"), skipped},
	} {
		f := judgeAgent("c", func() (*iampb.Policy, error) { return tt.policy, tt.err }, "roles/pubsub.publisher", grant)
		if f.Verdict != tt.want {
			t.Errorf("%v, %v: %+v", tt.policy, tt.err, f)
		}
		if f.Verdict != fine && !strings.Contains(f.Mend, `gcloud pubsub topics add-iam-policy-binding leads --project=acme `+
			`--member="serviceAccount:service-$(gcloud projects describe acme --format='value(projectNumber)')@gcp-sa-pubsub.iam.gserviceaccount.com" --role=roles/pubsub.publisher`) {
			t.Errorf("mend is %s", f.Mend)
		}
	}
}
