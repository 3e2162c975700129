package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"leadsync/sinks/bigquery/bqtest"
)

// servers are what a worker talks to. The REST side of BigQuery, of which a
// worker asks little, is the one of the tests.
type servers struct {
	subscription *Subscription
	warehouse    *Warehouse
	tables       *bqtest.Server
	grpc         []*grpc.Server
	pubsubAddr   string
	storageAddr  string
}

const subscriptionName = "projects/bench/subscriptions/bench"

func startServers(ctx context.Context, events int, payload func(i int) []byte) (*servers, error) {
	tables, err := bqtest.Start() //nolint:contextcheck // it runs until stop
	if err != nil {
		return nil, err
	}
	s := &servers{
		subscription: NewSubscription(subscriptionName, events, payload),
		warehouse:    NewWarehouse(events),
		tables:       tables,
	}
	s.pubsubAddr, err = s.serve(ctx, func(g *grpc.Server) { pubsubpb.RegisterSubscriberServer(g, s.subscription) })
	if err == nil {
		s.storageAddr, err = s.serve(ctx, func(g *grpc.Server) { storagepb.RegisterBigQueryWriteServer(g, s.warehouse) })
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// serve starts a gRPC server on a free port of the loopback interface.
func (s *servers) serve(ctx context.Context, register func(*grpc.Server)) (addr string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start servers: %w", err)
	}
	g := grpc.NewServer(
		grpc.MaxRecvMsgSize(32<<20),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	register(g)
	s.grpc = append(s.grpc, g)
	go func() { _ = g.Serve(l) }() // until stop, which is all its error could say
	return l.Addr().String(), nil
}

func (s *servers) stop() {
	for _, g := range s.grpc {
		g.Stop()
	}
	s.tables.Close()
}

// environ are the settings that lead a worker here.
func (s *servers) environ() []string {
	return []string{
		"SINK=bigquery",
		"GOOGLE_CLOUD_PROJECT=bench",
		"PUBSUB_SUBSCRIPTION=" + subscriptionName,
		"PUBSUB_EMULATOR_HOST=" + s.pubsubAddr,
		"BIGQUERY_DATASET=bench",
		"BIGQUERY_ENDPOINT=" + s.tables.RESTURL(),
		"BIGQUERY_STORAGE_ENDPOINT=" + s.storageAddr,
		"BIGQUERY_INSECURE=true",
		"PORT=0",
	}
}
