package bigquery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"github.com/googleapis/gax-go/v2"

	"leadsync/sinks"
	"leadsync/transform"
)

// A Survey is what a worker would meet in the dataset.
type Survey struct {
	Project  string
	Location string

	// After these times new tables, and partitions of new tables, are deleted
	// by BigQuery; 0 is never.
	TableExpiration     time.Duration
	PartitionExpiration time.Duration

	Tables []TableSurvey // all of our tables
}

// A TableSurvey is what a worker would meet in one table.
type TableSurvey struct {
	Name    string
	Missing bool // there is no such table; then nothing else is known
	Err     error

	Expires             time.Time     // when the table is deleted; zero is never
	PartitionExpiration time.Duration // after which its partitions are; 0 is never

	// StreamErr is why its default stream does not open, nil if it does.
	// ReadOnly says that BigQuery, asked, would refuse rows of this account.
	StreamErr error
	ReadOnly  bool
}

// Survey looks at the dataset and its tables, and opens every table's default
// stream as [Open] does, without appending to it. It changes nothing. The
// error is that of the dataset; what is wrong with a table stands in its
// survey.
func (w *Warehouse) Survey(ctx context.Context) (Survey, error) {
	live, err := w.dataset.Metadata(ctx)
	if err != nil {
		return Survey{Project: w.config.ProjectID}, fmt.Errorf("look at dataset %s: %w", w.config.Dataset, err)
	}
	s := Survey{
		Project:             w.config.ProjectID,
		Location:            live.Location,
		TableExpiration:     live.DefaultTableExpiration,
		PartitionExpiration: live.DefaultPartitionExpiration,
		Tables:              make([]TableSurvey, transform.NumTables),
	}
	client, err := managedwriter.NewClient(context.WithoutCancel(ctx), w.config.ProjectID, w.config.storageOptions()...)
	if err != nil {
		return s, fmt.Errorf("connect to the storage write api: %w", err)
	}
	defer func() { _ = client.Close() }() // nothing was sent on it
	var looks sync.WaitGroup
	for id := range s.Tables {
		looks.Go(func() { s.Tables[id] = w.surveyTable(ctx, client, transform.TableID(id).Table().Name) })
	}
	looks.Wait()
	return s, nil
}

func (w *Warehouse) surveyTable(ctx context.Context, client *managedwriter.Client, name string) TableSurvey {
	s := TableSurvey{Name: name}
	table := w.dataset.Table(name)
	live, err := table.Metadata(ctx, bq.WithMetadataView(bq.BasicMetadataView))
	switch {
	case isNotFound(err):
		s.Missing = true
		return s
	case err != nil:
		s.Err = fmt.Errorf("look at table %s: %w", name, err)
		return s
	}
	s.Expires = live.ExpirationTime
	if p := live.TimePartitioning; p != nil {
		s.PartitionExpiration = p.Expiration
	}
	if err := getStream(ctx, client, w.config.tablePath(name)); err != nil {
		s.StreamErr = fmt.Errorf("open stream of %s: %w", name, err)
	}
	// A stream may open for who may not append. Where the question is not
	// answered nothing is known.
	const mayWrite = "bigquery.tables.updateData"
	granted, err := table.IAM().TestPermissions(ctx, []string{mayWrite})
	s.ReadOnly = err == nil && !slices.Contains(granted, mayWrite)
	return s
}

// streamTries is how often a stream is asked for when the service does not
// answer just now.
const streamTries = 3

// getStream asks for the default stream of a table. Retries of the library
// would hide the cause.
func getStream(ctx context.Context, client *managedwriter.Client, path string) error {
	once := gax.WithRetry(func() gax.Retryer { return nil })
	request := &storagepb.GetWriteStreamRequest{Name: path + "/streams/_default"}
	for try := 1; ; try++ {
		_, err := client.GetWriteStream(ctx, request, once)
		if err == nil {
			return nil
		}
		if try == streamTries || ctx.Err() != nil || classify(err) != sinks.Transient {
			return err
		}
		sleep(ctx, time.Duration(try)*200*time.Millisecond)
	}
}

// MayQuery returns nil if a query would be run, and otherwise why not. None
// is: it is tried dry.
func (w *Warehouse) MayQuery(ctx context.Context) error {
	if _, err := w.statementType(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("try a query: %w", err)
	}
	return nil
}
