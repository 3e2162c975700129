package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/iterator"
)

// fewTries lets a call to Pub/Sub be tried again when it is not answered, and
// not until the deadline, as the library would: the cause is to be seen.
var fewTries = gax.WithRetry(func() gax.Retryer { return &tries{left: 2} })

type tries struct{ left int }

// Retry implements [gax.Retryer].
func (t *tries) Retry(err error) (pause time.Duration, shouldRetry bool) {
	t.left--
	return 300 * time.Millisecond, t.left >= 0 && causeOf(err) == unanswered
}

// reachPubSub connects to Pub/Sub and looks at the subscription.
func (d *doctor) reachPubSub(ctx context.Context) []finding {
	const check = "pubsub"
	project := d.cfg.Project
	if rest, ok := strings.CutPrefix(d.cfg.Subscription, "projects/"); ok {
		project, _, _ = strings.Cut(rest, "/")
	}
	if project == "" {
		project = pubsub.DetectProjectID
	}
	client, err := pubsub.NewClient(context.WithoutCancel(ctx), project)
	if err != nil {
		return []finding{{check, failed, said(err), "GOOGLE_CLOUD_PROJECT=PROJECT, or PUBSUB_SUBSCRIPTION=projects/PROJECT/subscriptions/NAME"}}
	}
	d.pubsub = client
	d.name = d.cfg.Subscription
	if !strings.Contains(d.name, "/") {
		d.name = "projects/" + client.Project() + "/subscriptions/" + d.name
	}
	d.subscription, err = client.SubscriptionAdminClient.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: d.name}, fewTries)
	host := d.cfg.PubSubEmulator
	if host == "" {
		host = "pubsub.googleapis.com"
	}
	return []finding{d.reached(check, host, err)}
}

// reached judges how Pub/Sub answered the question for the subscription.
func (d *doctor) reached(check, host string, err error) finding {
	r := nameOf(d.name)
	if err == nil {
		return isFine(check, "%s answers; %s is there", host, d.name)
	}
	d.subscription = nil
	switch causeOf(err) {
	case denied:
		return isFine(check, "%s answers", host) // a worker need not look at the subscription
	case absent:
		return finding{check, failed, "there is no subscription " + d.name, r.gcloud("create", "--topic=TOPIC "+goodPolicies)}
	case unknown:
		return finding{check, failed, said(err), d.mendCredentials()}
	case unanswered:
		return finding{check, failed, host + " does not answer: " + said(err),
			"see that the network lets this machine reach " + host + " (port 443; gRPC), and PUBSUB_EMULATOR_HOST if it is set"}
	default:
		return finding{check, failed, said(err), "see PUBSUB_SUBSCRIPTION and GOOGLE_CLOUD_PROJECT"}
	}
}

// subscriptionPolicies judges how the subscription is set up.
func (d *doctor) subscriptionPolicies(context.Context) []finding {
	if d.subscription == nil {
		return []finding{d.unseen("subscription")}
	}
	return judgeSubscription(d.subscription)
}

// unseen is the finding of what only who may look at the subscription can judge.
func (d *doctor) unseen(check string) finding {
	f := isSkipped(check, "this account may not look at the subscription, which pulling does not need")
	f.Mend = nameOf(d.name).grant(d.account, "roles/pubsub.viewer") + ", to have it checked"
	return f
}

// consuming asks whether the account may pull.
func (d *doctor) consuming(ctx context.Context) []finding {
	const check, permission = "consuming", "pubsub.subscriptions.consume"
	answer, err := d.pubsub.SubscriptionAdminClient.TestIamPermissions(ctx,
		&iampb.TestIamPermissionsRequest{Resource: d.name, Permissions: []string{permission}}, fewTries)
	return []finding{judgePermission(check, permission, answer.GetPermissions(), err, nameOf(d.name).grant(d.account, "roles/pubsub.subscriber"))}
}

func judgePermission(check, permission string, granted []string, err error, grant string) finding {
	switch {
	case err != nil && causeOf(err) == unsupported:
		return isSkipped(check, "this server answers no questions about permissions")
	case err != nil && causeOf(err) == unanswered:
		return finding{check, failed, said(err), "see the network, then try again"}
	case err != nil:
		return isSkipped(check, "the question whether this account has "+permission+" is not answered: "+said(err))
	case !slices.Contains(granted, permission):
		return finding{check, failed, "this account lacks " + permission, grant}
	}
	return isFine(check, "this account has %s", permission)
}

// topicSubscriptions returns the subscriptions of a topic.
func (d *doctor) topicSubscriptions(ctx context.Context, topic string) ([]string, error) {
	var names []string
	all := d.pubsub.TopicAdminClient.ListTopicSubscriptions(ctx, &pubsubpb.ListTopicSubscriptionsRequest{Topic: topic}, fewTries)
	for {
		name, err := all.Next()
		if errors.Is(err, iterator.Done) {
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list subscriptions of %s: %w", topic, err)
		}
		names = append(names, name)
	}
}

// A resource is a subscription or a topic, as people name it to gcloud.
type resource struct{ project, kind, id string }

// nameOf takes projects/P/subscriptions/S apart.
func nameOf(name string) resource {
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return resource{"PROJECT", "subscriptions", name}
	}
	return resource{parts[1], parts[2], parts[3]}
}

func (r resource) gcloud(verb, flags string) string {
	return "gcloud pubsub " + r.kind + " " + verb + " " + shellWord(r.id) + " --project=" + r.project + " " + flags
}

func (r resource) grant(member, role string) string {
	return r.gcloud("add-iam-policy-binding", "--member="+shellWord(member)+" --role="+role)
}
