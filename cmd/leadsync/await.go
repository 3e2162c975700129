package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/bigquery"
)

// awaitPause is the time between looks at tables that are behind.
const awaitPause = 3 * time.Second

// awaitSink opens the sink in force for a worker. While a table or a column is
// missing that its rows need it waits: nothing has been pulled yet, so workers
// that do without go on with the messages meanwhile. waiting is given
// the cause after every look.
func awaitSink(ctx context.Context, cfg *config.Config, logger *slog.Logger, observer sinks.Observer, waiting func(error)) (workerSink, error) {
	var told string
	for {
		sink, err := openSink(ctx, cfg, logger, observer)
		if !errors.Is(err, bigquery.ErrBehind) {
			if err == nil && told != "" {
				logger.Info("the tables have what the worker waited for")
			}
			return sink, err
		}
		waiting(err)
		if err.Error() != told {
			told = err.Error()
			logger.Warn("the worker waits for its tables", "error", told)
		}
		select {
		case <-time.After(awaitPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w while %w", ctx.Err(), err)
		}
	}
}
