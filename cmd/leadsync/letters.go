package main

import (
	"context"
	"log/slog"

	"leadsync/config"
	"leadsync/sinks/topic"
	"leadsync/sync/pipeline"
)

// openLetters connects to DEAD_LETTER_TOPIC, and makes the worker not ready
// while letters cannot be published there. Without the setting letters is nil.
// ctx must outlive the worker.
func openLetters(ctx context.Context, cfg *config.Config, health *health, logger *slog.Logger) (letters pipeline.Letters, shut func() error, err error) {
	if cfg.DeadLetterTopic == "" {
		return nil, func() error { return nil }, nil
	}
	t, err := topic.Open(ctx, topic.Config{Project: cfg.Project, Topic: cfg.DeadLetterTopic, Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	health.addReady("dead_letter_topic", t.Ready)
	return t, t.Close, nil
}
