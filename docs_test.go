package ropewalk

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippetHead makes a program of a part of one: what the pages leave out.
const snippetHead = `package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

var (
	_ = context.Background
	_ tls.Config
	_ = x509.NewCertPool
	_ = errors.Is
	_ = log.Print
	_ = rand.Int
	_ = net.Listen
	_ = signal.Notify
	_ = syscall.SIGTERM
	_ *testing.T
	_ = synctest.Test
	_ = time.Second
	_ = wstest.Pipe

	pem, p []byte
	ctx    context.Context
	c      *websocket.Conn
	w      http.ResponseWriter
	r      *http.Request
)

func echo(*websocket.Conn)  {}
func serve(*websocket.Conn) {}
func main()                 {}
`

var (
	// declaration tells snippets of whole functions from those of statements.
	declaration = regexp.MustCompile(`^(//|func |type )`)
	defined     = regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) := `)
)

// Every Go program in the documentation compiles, and go vet has nothing to say.
func TestDocumentationCompiles(t *testing.T) {
	pages := []string{"README.md"}
	for _, folder := range []string{"tutorial", "how-to", "explanation"} {
		more, err := filepath.Glob("docs/" + folder + "/*.md")
		if err != nil || len(more) == 0 {
			t.Fatalf("Glob(docs/%s/*.md) = %v, %v", folder, more, err)
		}
		pages = append(pages, more...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, snippet := range snippets(string(text)) {
			t.Run(page, func(t *testing.T) { vetSnippet(t, program(snippet)) })
		}
	}
}

// snippets returns the blocks of Go in a page.
func snippets(page string) []string {
	var all []string
	for block := range strings.SplitSeq(page, "```go\n") {
		code, _, ok := strings.Cut(block, "\n```")
		if ok && !strings.HasPrefix(page, block) {
			all = append(all, code+"\n")
		}
	}
	return all
}

// program completes a snippet.
func program(snippet string) string {
	switch {
	case strings.HasPrefix(snippet, "package "):
		return snippet
	case declaration.MatchString(snippet):
		return snippetHead + "\n" + snippet
	}
	// A variable that a snippet ends with counts as used.
	var used strings.Builder
	for _, m := range defined.FindAllStringSubmatch(snippet, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			if name != "_" {
				used.WriteString("_ = " + name + "\n")
			}
		}
	}
	return snippetHead + "\nfunc snippet() {\n" + snippet + used.String() + "}\n"
}

func vetSnippet(t *testing.T, code string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s\n%s", err, out, code)
	}
}

// Links between the pages lead to files that are there.
func TestDocumentationLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	pages, err := filepath.Glob("docs/*/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("Glob(docs/*/*.md) = %v, %v", pages, err)
	}
	top, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(append(pages, top...), "docs/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}
