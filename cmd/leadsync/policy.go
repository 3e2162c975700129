package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"leadsync/config"
	"leadsync/transform"
	"leadsync/transform/fieldpolicy"
)

// fieldPolicy reads the policy that the settings name; nil where they name none.
func (p *process) fieldPolicy(cfg *config.Config) (*transform.Policy, error) {
	if cfg.PolicyFile == "" {
		return nil, nil
	}
	policy, err := fieldpolicy.Load(cfg.PolicyFile, func(name string) (string, bool) {
		i := slices.IndexFunc(p.environ, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		if i < 0 {
			return "", false
		}
		return p.environ[i][len(name)+1:], true
	})
	if err != nil {
		return nil, fmt.Errorf("read field policy:\n%w", err)
	}
	return policy, nil
}

// transformOptions returns what the settings say about how events become rows.
func (p *process) transformOptions(cfg *config.Config) (transform.Options, error) {
	policy, err := p.fieldPolicy(cfg)
	return transform.Options{Location: cfg.Zone, Policy: policy}, err
}

// rowSettings returns the settings in force of a command that makes rows, and
// what they say about that. required names variables that it cannot do without.
func (p *process) rowSettings(required ...string) (*config.Config, transform.Options, error) {
	cfg, err := p.config(required...)
	if err != nil {
		return nil, transform.Options{}, err
	}
	options, err := p.transformOptions(cfg)
	return cfg, options, err
}

type policyCommand struct {
	Check policyCheckCommand `cmd:"" help:"Show what each rule covers, and what stays readable."`
	Hash  policyHashCommand  `cmd:"" help:"Print a value's hash under each key, to find it in the tables."`
}

type policyCheckCommand struct{}

// Help describes the command.
func (*policyCheckCommand) Help() string {
	return `Reads the policy that FIELD_POLICY_FILE names, with its keys, and prints what each rule does to which columns and
changed fields, and what stays readable. Secrets are not printed. Mistakes are all named at once, each with its line,
with exit status 1; nothing else is touched.

Settings: FIELD_POLICY_FILE and the variables that it names.

Example:

    leadsync policy check --field-policy policy.yaml`
}

// Run prints what the policy in force does.
func (*policyCheckCommand) Run(p *process) error {
	policy, file, err := p.requiredPolicy()
	if err != nil {
		return err
	}
	if err := printPolicy(p.stdout, policy, file); err != nil {
		return fmt.Errorf("print policy: %w", err)
	}
	return nil
}

type policyHashCommand struct{}

// Help describes the command.
func (*policyHashCommand) Help() string {
	return `Reads one value from standard input and prints what it becomes in a field that is hashed: one line for each key, in
the order in which they came into force. The value must be as the source sends it; a line end behind it does not count.
It is read from standard input because what stands on a command line is seen by others and kept in the shell's history.

Settings: FIELD_POLICY_FILE and the variables that it names.

Example:

    leadsync policy hash --field-policy policy.yaml < mobile.txt`
}

// maxValue is how much of a value is read, in bytes: as much as an event may have.
const maxValue = transform.MaxPayload

// Run prints the value's hashes.
func (*policyHashCommand) Run(p *process) error {
	policy, file, err := p.requiredPolicy()
	if err != nil {
		return err
	}
	if len(policy.Keys()) == 0 {
		return fmt.Errorf("hash value: %s has no keys", file)
	}
	if isTerminal(p.stdin) {
		fmt.Fprintln(p.stderr, "Type the value, then Enter and Ctrl-D:")
	}
	value, err := io.ReadAll(io.LimitReader(p.stdin, maxValue+1))
	if err != nil {
		return fmt.Errorf("hash value: %w", err)
	}
	value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte{'\n'}), []byte{'\r'})
	switch {
	case len(value) == 0:
		return errors.New("hash value: there is none on standard input")
	case len(value) > maxValue:
		return fmt.Errorf("hash value: above %d MiB", maxValue>>20)
	}
	for _, hash := range policy.Hashes(string(value)) {
		if _, err := fmt.Fprintln(p.stdout, hash); err != nil {
			return fmt.Errorf("print hashes: %w", err)
		}
	}
	return nil
}

// requiredPolicy reads the policy for a command that is about it, and returns
// its file's name too.
func (p *process) requiredPolicy() (*transform.Policy, string, error) {
	cfg, err := p.config("FIELD_POLICY_FILE")
	if err != nil {
		return nil, "", err
	}
	policy, err := p.fieldPolicy(cfg)
	return policy, cfg.PolicyFile, err
}
