// Command conformance writes the pages of package conformance.
//
//	go run ./internal/conformance/cmd/conformance [TOP]
//
// TOP is the top of the project, the working directory if left out. It lists what
// no test checks, and writes the pages all the same.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-15847954/ropewalk/internal/conformance"
)

func main() {
	top := "."
	if len(os.Args) > 1 {
		top = os.Args[1]
	}
	if err := write(top); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(top string) error {
	claims, err := conformance.Claims(top)
	if err != nil {
		return err
	}
	for _, page := range conformance.Pages(claims) {
		if err := os.WriteFile(filepath.Join(top, page.File), []byte(page.Text), 0o644); err != nil {
			return err
		}
	}
	for _, gap := range conformance.Gaps(claims) {
		fmt.Fprintln(os.Stderr, gap)
	}
	return nil
}
