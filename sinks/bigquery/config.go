package bigquery

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"leadsync/sinks"
)

// Config says where the tables are and how to reach them.
type Config struct {
	ProjectID string // "" takes the project of the credentials
	Dataset   string
	Location  string // of the dataset when it is created, for example "EU"; "" is BigQuery's default

	// Endpoint (a URL, all that comes before /projects/…) and StorageEndpoint
	// (host:port) lead to another server than Google's. Insecure talks to it
	// without TLS and credentials.
	Endpoint        string
	StorageEndpoint string
	Insecure        bool

	// AppendTimeout bounds one try of an append, the opening of a stream, and
	// one call about a load job.
	// A try that takes longer is abandoned together with its connection.
	// 0 means 30 seconds.
	AppendTimeout time.Duration

	// RequirePartitionFilter refuses queries that do not filter on the
	// partition column, for example those of all-time views.
	RequirePartitionFilter bool

	// Zone is the IANA name of the time zone in which views count days.
	// "" means Asia/Shanghai.
	Zone string

	// MaxBytesBilled makes BigQuery refuse a query that would read more. 0
	// leaves it to the project's own limits.
	MaxBytesBilled int64

	Logger   *slog.Logger   // nil logs nothing
	Observer sinks.Observer // nil observes nothing

	pacing *pacing // nil outside tests
}

// restTimeout bounds every single call of the REST API: the vendor's client
// retries what may pass until its context ends.
const restTimeout = 30 * time.Second

func (c Config) withDefaults() Config {
	if c.AppendTimeout <= 0 {
		c.AppendTimeout = 30 * time.Second
	}
	if c.Zone == "" {
		c.Zone = "Asia/Shanghai"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	if c.pacing == nil {
		c.pacing = &defaultPacing
	}
	return c
}

// openREST opens the REST client and fills in the project.
func openREST(ctx context.Context, c Config) (*bq.Client, Config, error) {
	c = c.withDefaults()
	if c.Dataset == "" {
		return nil, c, fmt.Errorf("open bigquery: no dataset is set")
	}
	project := c.ProjectID
	if project == "" {
		if c.Insecure {
			return nil, c, fmt.Errorf("open bigquery: no project is set, and there are no credentials to take it from")
		}
		project = bq.DetectProjectID
	}
	// The client may keep the context for as long as it lives.
	client, err := bq.NewClient(context.WithoutCancel(ctx), project, c.options(c.Endpoint)...)
	if err != nil {
		return nil, c, fmt.Errorf("open bigquery: %w", err)
	}
	c.ProjectID = client.Project()
	client.Location = c.Location
	return client, c, nil
}

func (c Config) options(endpoint string) []option.ClientOption {
	var list []option.ClientOption
	if endpoint != "" {
		list = append(list, option.WithEndpoint(endpoint))
	}
	if c.Insecure {
		list = append(list, option.WithoutAuthentication())
	}
	return list
}

// storageOptions are those of a client that serves a single stream.
func (c Config) storageOptions() []option.ClientOption {
	list := append(c.options(c.StorageEndpoint), option.WithGRPCConnectionPool(1))
	if c.Insecure {
		list = append(list, option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	return list
}

// tablePath is the table's name in the Storage Write API.
func (c Config) tablePath(table string) string {
	return fmt.Sprintf("projects/%s/datasets/%s/tables/%s", c.ProjectID, c.Dataset, table)
}
