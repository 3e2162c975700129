package bigquery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
	"leadsync/transform"
)

// Sink appends rows to the tables of a dataset. It implements [sinks.Sink].
type Sink struct {
	rest      *bq.Client
	dataset   *bq.Dataset
	appenders [transform.NumTables]*appender
	stop      context.CancelFunc
}

var _ sinks.Sink = (*Sink)(nil)

// Open opens a stream for every table. A table that is missing, or that cannot
// take our rows, is an error that says what differs; so is a permission that
// is lacking. It is [ErrBehind] if nothing else is wrong than that the dataset
// lacks what can be added to it: then try again later. A storage service that
// does not answer just now is no error: writes wait for it. ctx bounds the
// opening only.
func Open(ctx context.Context, c Config) (*Sink, error) {
	client, c, err := openREST(ctx, c)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	s := &Sink{rest: client, dataset: client.Dataset(c.Dataset), stop: stop}
	for i := range s.appenders {
		if s.appenders[i], err = newAppender(life, c, transform.TableID(i).Table(), s.verify); err != nil {
			return nil, errors.Join(fmt.Errorf("open bigquery: %w", err), s.Close())
		}
	}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open bigquery: %w", err), s.Close())
	}
	return s, nil
}

func newAppender(life context.Context, c Config, t *transform.Table, verify func(context.Context, *transform.Table) error) (*appender, error) {
	descriptor, err := descriptorOf(t)
	if err != nil {
		return nil, err
	}
	return &appender{
		config:     c,
		table:      t,
		path:       c.tablePath(t.Name),
		descriptor: descriptor,
		verify:     verify,
		health:     health{table: t.Name, patience: c.pacing.patience, log: c.Logger},
		slots:      make(chan struct{}, maxInFlight),
		life:       life,
	}, nil
}

// check looks at all tables at once and opens their streams.
func (s *Sink) check(ctx context.Context) error {
	var errs [transform.NumTables]error
	var wg sync.WaitGroup
	for i, a := range s.appenders {
		wg.Go(func() { errs[i] = a.start(ctx) })
	}
	wg.Wait()
	err := errors.Join(errs[:]...)
	missing, other := 0, 0
	for _, err := range errs {
		switch {
		case isNotFound(err):
			missing++
		case err != nil && !isBehind(err):
			other++
		}
	}
	// A dataset with none of the tables may be the wrong one.
	if err != nil && other == 0 && missing < len(errs) {
		return fmt.Errorf("%w: %w", ErrBehind, err)
	}
	return err
}

func (a *appender) start(ctx context.Context) error {
	if err := a.verify(ctx, a.table); err != nil {
		if isSchema(err) || isDenied(err) {
			return fmt.Errorf("%w; %s", err, remedy(err, sinks.Setup))
		}
		return err
	}
	s, err := a.acquire(ctx)
	switch {
	case err == nil:
		a.release(s, false)
	case classify(err) == sinks.Setup:
		return fmt.Errorf("%w; %s", err, remedy(err, sinks.Setup))
	case ctx.Err() != nil:
		return err
	default:
		a.config.Logger.Warn("stream is not open yet", "table", a.table.Name, "error", public(err).Error())
	}
	return nil
}

// verify returns what stands in the way of writing to the live table.
func (s *Sink) verify(ctx context.Context, t *transform.Table) error {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	live, err := s.dataset.Table(t.Name).Metadata(ctx, bq.WithMetadataView(bq.BasicMetadataView))
	if err != nil {
		return fmt.Errorf("look at table %s: %w", t.Name, err)
	}
	return compatible(t, live)
}

// Write implements [sinks.Sink]. Rows of different tables go their ways apart:
// one table that is held back does not keep the others.
func (s *Sink) Write(ctx context.Context, rows *transform.Rows) error {
	return byTable(rows, func(id transform.TableID) (sinks.RowErrors, error) {
		return s.appenders[id].append(ctx, rows)
	})
}

// byTable writes the rows of all tables at once, and gathers what write says
// of each table that has any.
func byTable(rows *transform.Rows, write func(transform.TableID) (sinks.RowErrors, error)) error {
	var errs [transform.NumTables]error
	var refused [transform.NumTables]sinks.RowErrors
	var wg sync.WaitGroup
	for i := range errs {
		if id := transform.TableID(i); rows.Len(id) > 0 {
			wg.Go(func() { refused[i], errs[i] = write(id) })
		}
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	var all sinks.RowErrors
	for _, list := range refused {
		all = append(all, list...)
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// Ready implements [sinks.Sink]. The error names every table that is held
// back, the class of the failure, its cause and the remedy.
func (s *Sink) Ready() error {
	var errs [transform.NumTables]error
	for i, a := range s.appenders {
		errs[i] = a.health.ready()
	}
	return errors.Join(errs[:]...)
}

// Close implements [sinks.Sink].
func (s *Sink) Close() error {
	s.stop()
	for _, a := range s.appenders {
		if a != nil {
			a.close()
		}
	}
	if err := s.rest.Close(); err != nil {
		return fmt.Errorf("close bigquery: %w", err)
	}
	return nil
}
