package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/seed-15847954/ropewalk/interop/process"
)

// start starts the suite in the given mode with a specification of its own.
func (s suite) start(mode string, spec map[string]any) (*process.Process, error) {
	spec["cases"] = s.cases
	spec["exclude-cases"] = []string{}
	spec["exclude-agent-cases"] = map[string]any{}
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(spec["outdir"].(string), "spec.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return nil, err
	}
	return process.Start(exec.Command(s.wstest, "--mode", mode, "--spec", path, "--webport", "0"))
}
