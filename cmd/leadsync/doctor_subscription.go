package main

import (
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

// goodPolicies are the flags of gcloud for a subscription that passes every
// check here but those of dead letters.
const goodPolicies = "--expiration-period=never --ack-deadline=60 --min-retry-delay=10s --max-retry-delay=600s " +
	"--message-retention-duration=7d --retain-acked-messages"

const (
	defaultExpiry    = 31 * 24 * time.Hour // of a subscription that says nothing
	defaultRetention = 7 * 24 * time.Hour  // and the most there is
	shortRetention   = 24 * time.Hour
	goodAckDeadline  = 60
	leastRetry       = 10 * time.Second
	fewAttempts      = 15
	goodAttempts     = 20
)

// A subscribed is a subscription that a worker pulls from.
type subscribed struct {
	*pubsubpb.Subscription
	name resource
}

// judgeSubscription judges how a subscription is set up that a worker pulls from.
func judgeSubscription(live *pubsubpb.Subscription) []finding {
	s := subscribed{live, nameOf(live.GetName())}
	found := []finding{s.pulling()}
	if s.GetDetached() || s.GetTopic() == deletedTopic {
		return found // nothing else matters
	}
	found = append(found, s.expiration(), s.ackDeadline(), s.retryPolicy(), s.retention(), s.replay())
	return append(found, s.remarks()...)
}

// deletedTopic is the topic of a subscription whose own is gone.
const deletedTopic = "_deleted-topic_"

// pulling tells whether messages come in, and come in by being pulled.
func (s subscribed) pulling() finding {
	const check = "delivery"
	exports := func(to string) finding {
		return finding{check, failed, "it exports to " + to + ": it cannot be pulled from",
			resource{s.name.project, s.name.kind, "NEW"}.gcloud("create", "--topic="+shellWord(s.GetTopic())+" "+goodPolicies) + ", then PUBSUB_SUBSCRIPTION=NEW"}
	}
	switch {
	case s.GetDetached():
		return finding{check, failed, "it is detached from its topic: its messages are gone and no more come",
			s.name.gcloud("delete", "") + "&& " + s.name.gcloud("create", "--topic="+shellWord(s.GetTopic())+" "+goodPolicies)}
	case s.GetTopic() == deletedTopic:
		return finding{check, failed, "its topic was deleted: no more messages come",
			"when it is empty: " + s.name.gcloud("delete", "") + "&& " + s.name.gcloud("create", "--topic=TOPIC "+goodPolicies)}
	case s.GetPushConfig().GetPushEndpoint() != "":
		return finding{check, failed, "it pushes its messages: leadsync run pulls", s.name.gcloud("modify-push-config", "--push-endpoint=")}
	case s.GetBigqueryConfig().GetTable() != "":
		return exports("BigQuery")
	case s.GetCloudStorageConfig().GetBucket() != "":
		return exports("Cloud Storage")
	case s.GetBigtableConfig().GetTable() != "":
		return exports("Bigtable")
	}
	return isFine(check, "pulled, from %s", s.GetTopic())
}

// expiration tells whether the subscription goes with all it holds when
// nobody pulls for a while.
func (s subscribed) expiration() finding {
	const check = "expiration"
	after := defaultExpiry
	if p := s.GetExpirationPolicy(); p != nil {
		if p.GetTtl() == nil {
			return isFine(check, "never")
		}
		after = p.GetTtl().AsDuration()
	}
	f := finding{check, warned, fmt.Sprintf("after %s without a worker the subscription is deleted, with its messages", days(after)),
		s.name.gcloud("update", "--expiration-period=never")}
	if after <= s.keeps() {
		f.Verdict = failed // it would keep them longer than itself
	}
	return f
}

// keeps is for how long the subscription keeps what is not acknowledged.
func (s subscribed) keeps() time.Duration {
	if d := s.GetMessageRetentionDuration(); d != nil {
		return d.AsDuration()
	}
	return defaultRetention
}

func (s subscribed) ackDeadline() finding {
	const check = "ack deadline"
	if n := s.GetAckDeadlineSeconds(); n < goodAckDeadline {
		return finding{check, warned, fmt.Sprintf("%d s: a worker short of CPU that renews its leases late gets messages again", n),
			s.name.gcloud("update", fmt.Sprintf("--ack-deadline=%d", goodAckDeadline))}
	}
	return isFine(check, "%d s", s.GetAckDeadlineSeconds())
}

func (s subscribed) retryPolicy() finding {
	const check = "retry policy"
	mend := s.name.gcloud("update", "--min-retry-delay=10s --max-retry-delay=600s")
	p := s.GetRetryPolicy()
	if p == nil {
		return finding{check, warned, "none: what is given back comes again at once, and burns its delivery attempts in seconds", mend}
	}
	least, most := leastRetry, 600*time.Second // the defaults of Pub/Sub
	if d := p.GetMinimumBackoff(); d != nil {
		least = d.AsDuration()
	}
	if d := p.GetMaximumBackoff(); d != nil {
		most = d.AsDuration()
	}
	if least < leastRetry {
		return finding{check, warned, fmt.Sprintf("from %v: a short outage burns many delivery attempts", least), mend}
	}
	return isFine(check, "%v to %v", least, most)
}

// retention tells how long an outage of all workers may last.
func (s subscribed) retention() finding {
	const check = "retention"
	d := s.keeps()
	if d >= defaultRetention {
		return isFine(check, "%s", days(d))
	}
	f := finding{check, warned, fmt.Sprintf("what no worker takes within %s is lost", days(d)), s.name.gcloud("update", "--message-retention-duration=7d")}
	if d < shortRetention {
		f.Verdict = failed
	}
	return f
}

// replay tells whether acknowledged messages can be had again by Seek.
func (s subscribed) replay() finding {
	const check = "replay"
	topic := s.GetTopicMessageRetentionDuration().AsDuration()
	switch {
	case topic > 0:
		return isFine(check, "the topic keeps messages for %s", days(topic))
	case s.GetRetainAckedMessages():
		return isFine(check, "acknowledged messages are kept for %s", days(s.keeps()))
	}
	return finding{check, warned, "acknowledged messages are gone: nothing can be pulled again after a mistake", s.name.gcloud("update", "--retain-acked-messages")}
}

// remarks tells of what is set, works, and may surprise.
func (s subscribed) remarks() []finding {
	var found []finding
	if s.GetFilter() != "" {
		found = append(found, isFine("filter", "%s: what it leaves out never arrives, and is counted nowhere", s.GetFilter()))
	}
	var costs []string
	if s.GetEnableExactlyOnceDelivery() {
		costs = append(costs, "exactly-once delivery")
	}
	if s.GetEnableMessageOrdering() {
		costs = append(costs, "message ordering")
	}
	if costs != nil {
		found = append(found, isFine("extras", "%s: not needed, rows are told apart by their content; it costs throughput", strings.Join(costs, " and ")))
	}
	if len(s.GetMessageTransforms()) > 0 {
		found = append(found, isFine("extras", "message transforms change messages before they arrive"))
	}
	return found
}
