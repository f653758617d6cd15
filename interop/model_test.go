//go:build interop

package interop

import (
	"os/exec"
	"strings"
	"testing"
)

// The models of the design hold in every order of their steps, and the mistakes
// that are planted in them are found.
func TestModels(t *testing.T) {
	if _, err := exec.LookPath("spin"); err != nil {
		t.Skip("spin is not installed, so the models are not checked; scripts/interop-deps installs it")
	}
	out, err := exec.CommandContext(t.Context(), "../docs/design/models/check").CombinedOutput()
	t.Logf("%s", strings.TrimSpace(string(out)))
	if err != nil {
		t.Errorf("docs/design/models/check: %v", err)
	}
}
