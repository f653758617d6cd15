package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/seed-15847954/ropewalk/server"
)

// docs/reference/cli.md has every command, flag and setting.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/reference/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, s := range server.Settings() {
		standard := "none"
		if s.Default != "" {
			standard = "`" + s.Default + "`"
		}
		if want := fmt.Sprintf("| `%s` | `%s` | `--%s` | %s |", s.Key, s.Env(), s.Flag(), standard); !strings.Contains(text, want) {
			t.Errorf("cli.md lacks %s", want)
		}
	}
	for _, cmd := range newRoot(terminal{}).Commands() {
		_, section, ok := strings.Cut(text, "\n## "+cmd.Name()+"\n")
		if !ok {
			t.Errorf("cli.md lacks the command %s", cmd.Name())
		}
		section, _, _ = strings.Cut(section, "\n## ")
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(section, "--"+f.Name) {
				t.Errorf("cli.md lacks --%s of %s", f.Name, cmd.Name())
			}
		})
	}
}
