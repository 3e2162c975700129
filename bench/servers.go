package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sync/pull/pulltest"
)

// servers are what a worker talks to. The subscription and the REST side of
// BigQuery, of which a worker asks little, are those of the tests.
type servers struct {
	subscription *pulltest.Server
	warehouse    *Warehouse
	tables       *bqtest.Server
	storage      *grpc.Server
	storageAddr  string
}

const subscriptionName = "projects/bench/subscriptions/bench"

func startServers(ctx context.Context, events int, payload func(i int) []byte) (s *servers, err error) {
	s = &servers{warehouse: NewWarehouse(events)}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.subscription, err = pulltest.Start(subscriptionName); err != nil { //nolint:contextcheck // it runs until stop
		return s, err
	}
	s.subscription.PublishFunc(events, payload)
	if s.tables, err = bqtest.Start(); err != nil { //nolint:contextcheck // it runs until stop
		return s, err
	}
	return s, s.serveStorage(ctx)
}

// serveStorage starts the warehouse on a free port of the loopback interface.
func (s *servers) serveStorage(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start servers: %w", err)
	}
	s.storage = grpc.NewServer(
		grpc.MaxRecvMsgSize(32<<20),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	storagepb.RegisterBigQueryWriteServer(s.storage, s.warehouse)
	s.storageAddr = l.Addr().String()
	go func() { _ = s.storage.Serve(l) }() // until stop, which is all its error could say
	return nil
}

func (s *servers) stop() {
	if s.storage != nil {
		s.storage.Stop()
	}
	if s.tables != nil {
		s.tables.Close()
	}
	if s.subscription != nil {
		s.subscription.Close()
	}
}

// environ are the settings that lead a worker here.
func (s *servers) environ() []string {
	return []string{
		"SINK=bigquery",
		"GOOGLE_CLOUD_PROJECT=bench",
		"PUBSUB_SUBSCRIPTION=" + subscriptionName,
		"PUBSUB_EMULATOR_HOST=" + s.subscription.Addr(),
		"BIGQUERY_DATASET=bench",
		"BIGQUERY_ENDPOINT=" + s.tables.RESTURL(),
		"BIGQUERY_STORAGE_ENDPOINT=" + s.storageAddr,
		"BIGQUERY_INSECURE=true",
		"PORT=0",
	}
}
