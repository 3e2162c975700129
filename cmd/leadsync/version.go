package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"leadsync/sinks/duckdb"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

// build says what the program was built from.
type build struct {
	version string // "devel" where nothing says
	commit  string // with "+changes" where the tree had some; may be ""
}

// thisBuild returns what is known of this program.
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return readBuild(version, info)
}

func readBuild(linked string, info *debug.BuildInfo) build {
	b := build{version: linked}
	if b.version == "" && info.Main.Version != "(devel)" {
		b.version = info.Main.Version
	}
	if b.version == "" {
		b.version = "devel"
	}
	changes := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changes = "+changes"
		}
	}
	if b.commit != "" {
		b.commit += changes
	}
	return b
}

type versionCommand struct{}

// Help describes the command.
func (*versionCommand) Help() string {
	return "Prints the version, the commit it was built from, the Go release, and whether the embedded warehouse is built in."
}

// Run prints the version.
func (*versionCommand) Run(p *process) error {
	b := thisBuild()
	commit, embedded := b.commit, "built in"
	if commit == "" {
		commit = "unknown"
	}
	if !duckdb.Available {
		embedded = "not built in"
	}
	_, err := fmt.Fprintf(p.stdout, "leadsync %s\ncommit: %s\ngo: %s %s/%s\nembedded warehouse: %s\n",
		b.version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, embedded)
	if err != nil {
		return fmt.Errorf("print version: %w", err)
	}
	return nil
}
