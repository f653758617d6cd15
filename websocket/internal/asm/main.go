// Command asm writes the assembly of package frame and its declarations in Go.
//
//	go run ./websocket/internal/asm -dir websocket/frame
//
// It overwrites kernels_amd64.s and kernels_amd64.go there; docs/design/bytes.md
// says what they are for.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/buildtags"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

func main() {
	dir := flag.String("dir", ".", "the directory of package frame")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of the generated files by their names.
func generate() (map[string][]byte, error) {
	ctx := build.NewContext()
	ctx.Constraint(buildtags.Not("purego"))
	cpu(ctx)
	mask(ctx)
	validUTF8(ctx)
	file, err := ctx.Result()
	if err != nil {
		return nil, fmt.Errorf("build the functions: %w", err)
	}
	if err := pass.Compile.Execute(file); err != nil {
		return nil, fmt.Errorf("allocate registers: %w", err)
	}
	cfg := printer.Config{Name: "websocket/internal/asm", Pkg: "frame"}
	asm, err := printer.NewGoAsm(cfg).Print(file)
	if err != nil {
		return nil, fmt.Errorf("print the assembly: %w", err)
	}
	stubs, err := printer.NewStubs(cfg).Print(file)
	if err != nil {
		return nil, fmt.Errorf("print the declarations: %w", err)
	}
	return map[string][]byte{"kernels_amd64.s": asm, "kernels_amd64.go": stubs}, nil
}
