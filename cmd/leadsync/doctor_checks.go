package main

import (
	"context"
	"runtime/debug"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"leadsync/config"
	"leadsync/sinks/bigquery"
)

// A doctor looks at everything that a worker needs. What one check learns
// others read that need it, and only they.
type doctor struct {
	process *process
	ward    *ward
	cfg     *config.Config // nil while the settings are wrong

	account string // of check credentials: who the worker is to Google, as IAM names it

	date time.Time // of check bigquery: what its server's clock said, at here
	here time.Time

	pubsub       *pubsub.Client         // of check pubsub
	name         string                 // of the subscription, in full
	subscription *pubsubpb.Subscription // nil: it may not be looked at

	warehouse *bigquery.Warehouse // of check bigquery
	survey    bigquery.Survey     // of check dataset
}

// enlist decides from the settings what is to be checked.
func (d *doctor) enlist() {
	found := d.settings()
	d.ward.add("settings", func(context.Context) []finding { return found })
	if d.cfg == nil {
		for _, name := range []string{"limits", "time zone", "field policy", "clock", "pubsub", "warehouse"} {
			d.ward.add(name, nil, "settings")
		}
		return
	}
	d.ward.add("limits", func(context.Context) []finding { return limits(d.cfg, debug.SetMemoryLimit(-1)) })
	d.ward.add("time zone", func(context.Context) []finding { return []finding{zone(d.cfg)} })
	d.ward.add("field policy", d.fieldPolicy)
	pubsubIsGoogle := d.cfg.Subscription != "" && d.cfg.PubSubEmulator == ""
	bigqueryIsGoogle := d.cfg.Sink == config.BigQuery && !d.cfg.Insecure
	d.account = unknownAccount
	if pubsubIsGoogle || bigqueryIsGoogle {
		d.ward.add("credentials", d.credentials)
	} else {
		d.ward.add("credentials", func(context.Context) []finding {
			return []finding{isFine("credentials", "none are needed: nothing of Google's is used")}
		})
	}
	if d.cfg.Sink == config.BigQuery {
		d.enlistBigQuery()
	} else {
		d.enlistEmbedded(pubsubIsGoogle)
	}
	d.enlistPubSub()
}

func (d *doctor) enlistBigQuery() {
	d.ward.add("bigquery", d.reach)
	d.ward.add("clock", d.clock, "bigquery")
	d.ward.add("dataset", d.dataset, "credentials", "bigquery")
	d.ward.add("schema", d.schema, "dataset")
	d.ward.add("writing", d.writing, "dataset")
	d.ward.add("expiry of rows", d.expiry, "dataset")
	d.ward.add("queries", d.queries, "dataset")
	if d.cfg.BackfillStaging != "" {
		d.ward.add("staging bucket", d.staging, "credentials")
	}
}

func (d *doctor) enlistEmbedded(online bool) {
	if online {
		d.ward.add("clock", d.clockOfPubSub)
	} else {
		d.ward.add("clock", func(context.Context) []finding {
			return []finding{isSkipped("clock", "no server is used whose clock could be asked")}
		})
	}
	d.ward.add("embedded warehouse", d.embedded)
	d.ward.add("schema", d.embeddedSchema, "embedded warehouse")
}

func (d *doctor) enlistPubSub() {
	if d.cfg.Subscription == "" {
		d.ward.add("pubsub", func(context.Context) []finding {
			return []finding{{"pubsub", failed, "PUBSUB_SUBSCRIPTION is not set: leadsync run has nothing to pull from",
				"PUBSUB_SUBSCRIPTION=NAME; leadsync demo, transform and query do without"}}
		})
		return
	}
	d.ward.add("pubsub", d.reachPubSub, "credentials")
	d.ward.add("subscription", d.subscriptionPolicies, "pubsub")
	d.ward.add("consuming", d.consuming, "pubsub")
	d.ward.add("dead letters", d.deadLetterTopic, "pubsub")
	if d.cfg.DeadLetterTopic != "" {
		d.ward.add("letter topic", d.letterTopic, "pubsub")
	}
}

// close ends connections once all checks are over. Where one goes on that did
// not end in time, they end with the process.
func (d *doctor) close() {
	left := false
	for _, c := range d.ward.checks {
		<-c.done
		left = left || c.left
	}
	if left {
		return
	}
	if d.pubsub != nil {
		_ = d.pubsub.Close() // nothing was sent that could be lost
	}
	if d.warehouse != nil {
		_ = d.warehouse.Close()
	}
}
