package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"leadsync/sync/simulate"
)

const (
	demoProject      = "leadsync-demo"
	demoTopic        = "lead-events"
	demoSubscription = "leadsync"

	// demoStreams makes up for a habit of the in-process server: it hands
	// each stream one message every 10 ms. With these 2,000 take a second.
	demoStreams = 32

	// demoAhead bounds how many messages wait on the topic: each tick of the
	// server looks at all of them.
	demoAhead = 4000

	demoCallTimeout = 30 * time.Second
)

// demoPubSub is a Pub/Sub in this process with one topic and one subscription,
// and a client of it. Clients reach it over the loopback as they would reach
// an emulator.
type demoPubSub struct {
	server *pstest.Server
	client *pubsub.Client
	before *string // PUBSUB_EMULATOR_HOST as it was; nil if it was not set
}

func startDemoPubSub(ctx context.Context) (p *demoPubSub, err error) {
	p = &demoPubSub{server: pstest.NewServer()}
	if before, set := os.LookupEnv(emulatorHost); set {
		p.before = &before
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	p.server.SetTimeNowFunc(monotonicMicros())
	// The variable is how the library's clients, the worker's too, are sent
	// to another server than Google's, without credentials.
	if err := os.Setenv(emulatorHost, p.server.Addr); err != nil {
		return p, fmt.Errorf("start in-process pub/sub: %w", err)
	}
	if p.client, err = pubsub.NewClient(ctx, demoProject); err != nil {
		return p, fmt.Errorf("connect to in-process pub/sub: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, demoCallTimeout)
	defer cancel()
	topic := "projects/" + demoProject + "/topics/" + demoTopic
	if _, err := p.client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: topic}); err != nil {
		return p, fmt.Errorf("create topic %s: %w", demoTopic, err)
	}
	if _, err := p.client.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{
		Name:               "projects/" + demoProject + "/subscriptions/" + demoSubscription,
		Topic:              topic,
		AckDeadlineSeconds: 60,
	}); err != nil {
		return p, fmt.Errorf("create subscription %s: %w", demoSubscription, err)
	}
	return p, nil
}

const emulatorHost = "PUBSUB_EMULATOR_HOST"

// monotonicMicros returns a clock that gives every call a microsecond of its
// own: messages published one after the other then sort in this order, run
// after run.
func monotonicMicros() func() time.Time {
	var last atomic.Int64
	return func() time.Time {
		for {
			before := last.Load()
			now := max(time.Now().UnixMicro(), before+1)
			if last.CompareAndSwap(before, now) {
				return time.UnixMicro(now)
			}
		}
	}
}

// publish sends everything that the tenant has to tell, in order, and returns
// once the topic has it all.
func (p *demoPubSub) publish(ctx context.Context, tenant *simulate.Tenant, counts *demoCounts) error {
	publisher := p.client.Publisher(demoTopic)
	publisher.PublishSettings.NumGoroutines = 1 // keeps the order
	publisher.PublishSettings.Timeout = demoCallTimeout
	defer publisher.Stop()
	var results []*pubsub.PublishResult
	settle := func() error {
		publisher.Flush()
		for _, r := range results {
			if _, err := r.Get(ctx); err != nil {
				return fmt.Errorf("publish to topic %s: %w", demoTopic, err)
			}
		}
		counts.published.Add(int64(len(results)))
		results = results[:0]
		return counts.wait(ctx, demoAhead)
	}
	for d := range tenant.Deliveries() {
		results = append(results, publisher.Publish(ctx, &pubsub.Message{Data: d.Payload, Attributes: d.Attributes}))
		if len(results) == 500 {
			if err := settle(); err != nil {
				return err
			}
		}
	}
	if err := settle(); err != nil {
		return err
	}
	counts.complete.Store(true)
	return nil
}

// deliveries returns how often the server delivered messages, redeliveries
// included.
func (p *demoPubSub) deliveries() int64 {
	n := int64(0)
	for _, m := range p.server.Messages() {
		n += int64(m.Deliveries)
	}
	return n
}

func (p *demoPubSub) close() error {
	var err error
	if p.client != nil {
		err = p.client.Close()
	}
	restore := os.Unsetenv(emulatorHost)
	if p.before != nil {
		restore = os.Setenv(emulatorHost, *p.before)
	}
	return errors.Join(err, restore, p.server.Close())
}
