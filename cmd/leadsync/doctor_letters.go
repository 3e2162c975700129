package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

// deadLetterTopic looks at the safety net below the worker: where Pub/Sub puts
// a message that was delivered too often.
func (d *doctor) deadLetterTopic(ctx context.Context) []finding {
	const check = "dead letters"
	if d.subscription == nil {
		return []finding{d.unseen(check)}
	}
	found := judgeDeadLetterPolicy(d.subscription)
	topic := d.subscription.GetDeadLetterPolicy().GetDeadLetterTopic()
	if topic == "" || found[0].Verdict == failed {
		return found
	}
	kept, ok := d.keptByTopic(ctx, check, topic)
	found = append(found, kept...)
	if !ok {
		return found
	}
	agent := serviceAgent(nameOf(d.name).project)
	return append(found,
		judgeAgent("dead letters: publish", func() (*iampb.Policy, error) {
			return d.pubsub.TopicAdminClient.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: topic}, fewTries)
		}, "roles/pubsub.publisher", nameOf(topic).grantAgent(agent, "roles/pubsub.publisher")),
		judgeAgent("dead letters: forward", func() (*iampb.Policy, error) {
			return d.pubsub.SubscriptionAdminClient.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: d.name}, fewTries)
		}, "roles/pubsub.subscriber", nameOf(d.name).grantAgent(agent, "roles/pubsub.subscriber")))
}

// judgeDeadLetterPolicy judges the policy alone; the first finding is about
// the topic it names.
func judgeDeadLetterPolicy(s *pubsubpb.Subscription) []finding {
	const check = "dead letters"
	r, p := nameOf(s.GetName()), s.GetDeadLetterPolicy()
	net := resource{r.project, "topics", r.id + "-undelivered"}
	lay := fmt.Sprintf("%s&& %s&& %s", net.gcloud("create", ""),
		resource{r.project, "subscriptions", net.id}.gcloud("create", "--topic="+shellWord(net.id)+" --expiration-period=never --message-retention-duration=7d "),
		r.gcloud("update", fmt.Sprintf("--dead-letter-topic=%s --max-delivery-attempts=%d", shellWord(net.id), goodAttempts)))
	switch {
	case p.GetDeadLetterTopic() == "":
		return []finding{{check, warned, "no policy: a message that no worker can settle comes again until its retention ends", lay}}
	case p.GetDeadLetterTopic() == s.GetTopic():
		return []finding{{check, failed, "the dead-letter topic is the topic itself: such messages go round for ever", lay}}
	case p.GetDeadLetterTopic() == deletedTopic:
		return []finding{{check, failed, "the dead-letter topic was deleted: messages cannot get there", lay}}
	case p.GetMaxDeliveryAttempts() < fewAttempts:
		return []finding{{check, warned, fmt.Sprintf("max delivery attempts %d: a few restarts under load spend them on good messages", p.GetMaxDeliveryAttempts()),
			r.gcloud("update", fmt.Sprintf("--dead-letter-topic=%s --max-delivery-attempts=%d", shellWord(p.GetDeadLetterTopic()), goodAttempts))}}
	}
	return []finding{isFine(check, "after %d attempts, to %s", p.GetMaxDeliveryAttempts(), p.GetDeadLetterTopic())}
}

// keptByTopic tells whether a topic is there and a subscription keeps what
// comes to it; ok is false where the topic cannot be looked at.
func (d *doctor) keptByTopic(ctx context.Context, check, topic string) (found []finding, ok bool) {
	r := nameOf(topic)
	_, err := d.pubsub.TopicAdminClient.GetTopic(ctx, &pubsubpb.GetTopicRequest{Topic: topic}, fewTries)
	switch {
	case err == nil:
	case causeOf(err) == absent:
		return []finding{{check, failed, "there is no topic " + topic + ": messages cannot get there", r.gcloud("create", "")}}, false
	case causeOf(err) == denied:
		f := isSkipped(check, "this account may not look at "+topic)
		f.Mend = r.grant(d.account, "roles/pubsub.viewer") + ", to have it checked"
		return []finding{f}, false
	default:
		return []finding{{check, failed, said(err), "see the network, then try again"}}, false
	}
	names, err := d.topicSubscriptions(ctx, topic)
	switch {
	case err != nil:
		return []finding{isSkipped(check, said(err))}, true
	case len(names) == 0:
		return []finding{{check, failed, "nobody subscribes to " + topic + ": messages vanish there",
			resource{r.project, "subscriptions", r.id}.gcloud("create", "--topic="+shellWord(topic)+" --expiration-period=never --message-retention-duration=7d")}}, true
	}
	return append(d.keepers(ctx, check, names), isFine(check, "%s keeps what comes to %s", count(int64(len(names)), "subscription", "subscriptions"), topic)), true
}

// maxKeepers bounds how many subscriptions of a dead-letter topic are looked at.
const maxKeepers = 10

// keepers finds subscriptions of a dead-letter topic that will not stay: since
// nobody pulls from them, they expire.
func (d *doctor) keepers(ctx context.Context, check string, names []string) []finding {
	var found []finding
	for _, name := range names[:min(len(names), maxKeepers)] {
		s, err := d.pubsub.SubscriptionAdminClient.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: name}, fewTries)
		if err != nil {
			continue // it may belong to others, and not be for us to look at
		}
		if f := (subscribed{s, nameOf(name)}).expiration(); f.Verdict != fine {
			found = append(found, finding{check, warned, name + " is pulled by nobody: " + f.Found, f.Mend})
		}
	}
	return found
}

// serviceAgent is the account in whose name Pub/Sub forwards dead letters, as
// a shell writes it.
func serviceAgent(project string) string {
	return `"serviceAccount:service-$(gcloud projects describe ` + project + ` --format='value(projectNumber)')` + agentDomain + `"`
}

const agentDomain = "@gcp-sa-pubsub.iam.gserviceaccount.com"

func (r resource) grantAgent(agent, role string) string {
	return r.gcloud("add-iam-policy-binding", "--member="+agent+" --role="+role)
}

// judgeAgent looks for Pub/Sub's own account in a policy. It may have its role
// from the project, which the policy does not show.
func judgeAgent(check string, read func() (*iampb.Policy, error), role, grant string) finding {
	policy, err := read()
	if err != nil {
		why := "this account may not read the permissions"
		if causeOf(err) == unsupported {
			why = "this server keeps no permissions"
		}
		f := isSkipped(check, why+": whether Pub/Sub's service agent has "+role)
		f.Mend = "to be sure: " + grant
		return f
	}
	roles := []string{role, "roles/pubsub.editor", "roles/pubsub.admin", "roles/editor", "roles/owner"}
	for _, b := range policy.GetBindings() {
		if slices.Contains(roles, b.GetRole()) && slices.ContainsFunc(b.GetMembers(), func(m string) bool { return strings.HasSuffix(m, agentDomain) }) {
			return isFine(check, "Pub/Sub's service agent has %s", b.GetRole())
		}
	}
	return finding{check, warned, "Pub/Sub's service agent does not have " + role + " here, unless from the project: without it nothing is forwarded", grant}
}
