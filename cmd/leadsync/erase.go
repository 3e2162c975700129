package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/transform"
)

type eraseCommand struct {
	ID     string `arg:"" name:"entity-id" help:"The entity_id of the lead or account; case matters."`
	DryRun bool   `help:"Print what would be deleted; change nothing."`
	Yes    bool   `short:"y" help:"Do not ask."`
	Block  bool   `help:"Go on when nothing is stored about it: what comes later is left out."`
}

// Help describes the command.
func (*eraseCommand) Help() string {
	return `Erases a lead or account for good, and leaves a tombstone: a digest of the id, by which workers leave out whatever
comes about it later. It deletes the events that happened to it or name it as their target, those of its user that name
no entity, what they told of transitions, and the dead letters that hold its id. The embedded warehouse's file is then written anew, since deleted
values would stand in it still; BigQuery keeps deleted rows for a while, and it is printed for how long.

What was interrupted is finished by running it again. Workers learn of an erasure within 5 minutes: what they wrote in
between is deleted by running it again after that.

On a terminal it asks before it changes anything; elsewhere it wants --yes. Exit status 1 if nothing is stored about
the id and it was never erased; nothing is changed then, unless --block is given.

Settings: SINK and those of the warehouse: BIGQUERY_*, GOOGLE_CLOUD_PROJECT, or DUCKDB_PATH. No worker may have the
file of the embedded warehouse open.

Example:

    leadsync erase --dry-run B3hJubdf4GR3fNhSyx5npA`
}

// Run erases the entity.
func (c *eraseCommand) Run(ctx context.Context, p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if err := c.run(ctx, p, cfg); err != nil {
		if status := exitStatus(0); errors.As(err, &status) {
			return err
		}
		return fmt.Errorf("erase: %w", err)
	}
	return nil
}

func (c *eraseCommand) run(ctx context.Context, p *process, cfg *config.Config) error {
	if err := transform.CheckEntityID(c.ID); err != nil {
		return fmt.Errorf("%q is no entity_id: %w", c.ID, err)
	}
	ask := !c.DryRun && !c.Yes
	if ask && !isTerminal(p.stdin) {
		return errors.New("there is nobody to ask here: give --yes, or --dry-run to see what would be deleted")
	}
	e := newErasure(cfg, c.ID)
	found, err := e.look(ctx)
	if err != nil {
		return err
	}
	if found.erasedAt == nil && found.total() == 0 && !c.Block {
		return fmt.Errorf("nothing is stored about %s, and it was never erased: is the id right? "+
			"(--block keeps out what comes about it later)", c.ID)
	}
	if found.erasedAt != nil {
		fmt.Fprintf(p.stdout, "%s was erased at %s; what is here came since\n\n", c.ID, found.erasedAt.Format(time.RFC3339))
	}
	if c.DryRun {
		return e.print(p.stdout, "rows that would be deleted", found.rows, "nothing was changed")
	}
	if ask {
		if err := e.print(p.stdout, "rows to be deleted", found.rows, ""); err != nil {
			return err
		}
		if err := confirm(ctx, p, fmt.Sprintf("Erase %s for good? This cannot be undone. [y/N] ", c.ID)); err != nil {
			return err
		}
	}
	return e.carryOut(ctx, p.stdout, found.erasedAt == nil)
}

// confirm asks a yes-or-no question on standard error.
func confirm(ctx context.Context, p *process, question string) error {
	fmt.Fprint(p.stderr, question)
	answered := make(chan string, 1)
	go func() { // ends with the process if nobody ever answers
		line, _ := bufio.NewReader(p.stdin).ReadString('\n') // no answer is no
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		if answer == "y" || answer == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
	}
	fmt.Fprintln(p.stderr, "nothing was changed")
	return exitStatus(exitFailure)
}
