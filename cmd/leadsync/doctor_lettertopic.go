package main

import (
	"cmp"
	"context"
	"strings"

	"cloud.google.com/go/iam/apiv1/iampb"
)

// letterTopic looks at the topic that the worker itself publishes dead letters
// to, besides their table.
func (d *doctor) letterTopic(ctx context.Context) []finding {
	const check, permission = "letter topic", "pubsub.topics.publish"
	topic := d.cfg.DeadLetterTopic
	if !strings.Contains(topic, "/") {
		topic = "projects/" + cmp.Or(d.cfg.Project, d.pubsub.Project()) + "/topics/" + topic
	}
	if d.subscription.GetTopic() == topic {
		return []finding{{check, failed, "DEAD_LETTER_TOPIC is the topic of the subscription: each letter comes back as an event, and dies again",
			"DEAD_LETTER_TOPIC=ANOTHER, or unset it: dead letters stand in their table"}}
	}
	found, ok := d.keptByTopic(ctx, check, topic)
	if !ok && found[0].Verdict == failed {
		return found
	}
	answer, err := d.pubsub.TopicAdminClient.TestIamPermissions(ctx,
		&iampb.TestIamPermissionsRequest{Resource: topic, Permissions: []string{permission}}, fewTries)
	return append(found, judgePermission(check, permission, answer.GetPermissions(), err, nameOf(topic).grant(d.account, "roles/pubsub.publisher")))
}
