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
	"leadsync/sinks/duckdb"
)

// awaitPause is the time between two tries at what a worker waits for.
const awaitPause = 3 * time.Second

// await tries until there is no error, or one that does not pass, and returns
// that. waiting is given the cause after every try that failed; the log is told
// when it changes. An error of ctx names what was waited for.
func await(ctx context.Context, logger *slog.Logger, what string, waiting func(error), passes func(error) bool, try func() error) error {
	var told string
	for {
		err := try()
		if err == nil || !passes(err) {
			if err == nil && told != "" {
				logger.Info("the worker waits no longer", "for", what)
			}
			return err
		}
		if ctx.Err() == nil {
			waiting(err)
			if err.Error() != told {
				told = err.Error()
				logger.Warn("the worker waits", "for", what, "error", told)
			}
		}
		select {
		case <-time.After(awaitPause):
		case <-ctx.Done():
			return fmt.Errorf("%w while %w", ctx.Err(), err)
		}
	}
}

// awaitSink opens the sink in force for a worker. While a table or a column is
// missing that its rows need it waits: nothing has been pulled yet, so workers
// that do without go on with the messages meanwhile. So it does while another
// process has the embedded warehouse open: most often the worker before it,
// which is about to end. waiting is given the cause.
func awaitSink(ctx context.Context, cfg *config.Config, logger *slog.Logger, observer sinks.Observer, waiting func(error)) (sink workerSink, err error) {
	err = await(ctx, logger, "its tables", waiting,
		func(err error) bool {
			return errors.Is(err, bigquery.ErrBehind) || errors.As(err, new(*duckdb.HeldError))
		},
		func() (err error) {
			sink, err = openSink(ctx, cfg, logger, observer)
			return err
		})
	return sink, err
}
