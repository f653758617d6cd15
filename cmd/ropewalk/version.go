package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintln(t.out, version(info))
			return err
		},
	}
}

// version describes a build.
func version(info *debug.BuildInfo) string {
	v, commit := release(info)
	return fmt.Sprintf("ropewalk %s%s %s %s/%s", v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// release returns what the toolchain has put into a build: the module's version, and
// the commit, behind a space, where the build knew it.
func release(info *debug.BuildInfo) (v, commit string) {
	v = "(devel)"
	modified := ""
	if info != nil && info.Main.Version != "" {
		v = info.Main.Version
	}
	if info != nil {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = " " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = " modified"
			}
		}
	}
	return v, commit + modified
}
