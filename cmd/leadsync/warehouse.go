package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/bigquery"
	"leadsync/sinks/duckdb"
)

// openSink opens the sink in force for a worker.
func openSink(ctx context.Context, cfg *config.Config, logger *slog.Logger, observer sinks.Observer) (workerSink, error) {
	if cfg.Sink == config.BigQuery {
		c := bigQueryConfig(cfg)
		c.Logger, c.Observer = logger, observer
		return bigquery.Open(ctx, c)
	}
	c := duckDBConfig(cfg)
	c.Logger, c.Observer = logger, observer
	return duckdb.Open(ctx, c)
}

// openWarehouse opens the warehouse in force to be queried and compared.
func openWarehouse(ctx context.Context, cfg *config.Config) (sinks.Warehouse, error) {
	if cfg.Sink == config.BigQuery {
		return bigquery.OpenWarehouse(ctx, bigQueryConfig(cfg))
	}
	c := duckDBConfig(cfg)
	c.ReadOnly = true
	return duckdb.Open(ctx, c)
}

// openSchema opens the warehouse in force to compare its schema. A file of
// the embedded warehouse that does not exist yet counts as empty, and is not
// created.
func openSchema(ctx context.Context, cfg *config.Config) (sinks.Warehouse, error) {
	if cfg.Sink == config.DuckDB {
		if _, err := os.Stat(cfg.DuckDBPath); errors.Is(err, fs.ErrNotExist) {
			return openEmpty(ctx, cfg)
		}
	}
	return openWarehouse(ctx, cfg)
}

// openEmpty opens an embedded warehouse that has no tables and ends with the process.
func openEmpty(ctx context.Context, cfg *config.Config) (sinks.Warehouse, error) {
	return duckdb.Open(ctx, duckdb.Config{Path: duckdb.InMemory, Zone: cfg.SourceTimezone, ReadOnly: true})
}

// applySchema brings the warehouse in force up to its definition. Opening the
// embedded one for writing does that already.
func applySchema(ctx context.Context, cfg *config.Config) (err error) {
	w, err := openWritable(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	plan, err := w.Plan(ctx)
	if err != nil {
		return err
	}
	return w.Apply(ctx, plan)
}

func openWritable(ctx context.Context, cfg *config.Config) (sinks.Warehouse, error) {
	if cfg.Sink == config.BigQuery {
		return bigquery.OpenWarehouse(ctx, bigQueryConfig(cfg))
	}
	return duckdb.Open(ctx, duckDBConfig(cfg))
}

// statements returns the SQL that creates everything in the dialect, without
// any connection.
func statements(ctx context.Context, cfg *config.Config, dialect string) (list []string, err error) {
	switch dialect {
	case config.BigQuery:
		return bigquery.DDL(bigQueryConfig(cfg)), nil
	case config.DuckDB:
		w, err := openEmpty(ctx, cfg)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		plan, err := w.Plan(ctx)
		if err != nil {
			return nil, err
		}
		for _, change := range plan {
			list = append(list, change.SQL)
		}
		return list, nil
	default:
		return nil, fmt.Errorf("no dialect %q", dialect)
	}
}

// dialectOf returns the SQL of the warehouse in force.
func dialectOf(cfg *config.Config) sinks.Dialect {
	if cfg.Sink == config.DuckDB {
		return sinks.DuckDB(cfg.SourceTimezone)
	}
	return sinks.BigQuery(cfg.Project, cfg.Dataset, cfg.SourceTimezone)
}

func bigQueryConfig(cfg *config.Config) bigquery.Config {
	return bigquery.Config{
		ProjectID:              cfg.Project,
		Dataset:                cfg.Dataset,
		Location:               cfg.Location,
		Endpoint:               cfg.Endpoint,
		StorageEndpoint:        cfg.StorageEndpoint,
		Insecure:               cfg.Insecure,
		RequirePartitionFilter: cfg.RequirePartitionFilter,
		Zone:                   cfg.SourceTimezone,
	}
}

func duckDBConfig(cfg *config.Config) duckdb.Config {
	return duckdb.Config{Path: cfg.DuckDBPath, Zone: cfg.SourceTimezone}
}
