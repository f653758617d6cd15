package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// maxLine is the longest line of input that is not a terminal's, in bytes.
const maxLine = 16 << 20

// A console reads lines and shows what comes meanwhile. On a terminal it has a
// prompt, line editing and history; else lines go in and out plainly.
type console struct {
	line    func() (string, error)
	out     io.Writer
	restore func()

	mu sync.Mutex // one line is shown at a time
}

func newConsole(t terminal) (*console, error) {
	in, ok := t.in.(*os.File)
	if ok && term.IsTerminal(int(in.Fd())) {
		return newTerminalConsole(t, in)
	}
	lines := bufio.NewScanner(t.in)
	lines.Buffer(nil, maxLine)
	return &console{
		line: func() (string, error) {
			if lines.Scan() {
				return lines.Text(), nil
			}
			if err := lines.Err(); err != nil {
				return "", err
			}
			return "", io.EOF
		},
		out:     t.out,
		restore: func() {},
	}, nil
}

func newTerminalConsole(t terminal, in *os.File) (*console, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, t.out}, "> ")
	if width, height, err := term.GetSize(int(in.Fd())); err == nil {
		_ = editor.SetSize(width, height)
	}
	return &console{
		line:    editor.ReadLine,
		out:     editor,
		restore: func() { _ = term.Restore(int(in.Fd()), before) },
	}, nil
}

func (c *console) close() { c.restore() }

func (c *console) message(s string) { c.show("< " + s) }
func (c *console) event(s string)   { c.show("* " + s) }

func (c *console) show(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.out, s)
}

// printable makes what a peer sent safe to show: control characters, which could
// drive the terminal, and bytes that are not UTF-8 are escaped as in Go source.
func printable(p []byte) string {
	if utf8.Valid(p) && !strings.ContainsFunc(string(p), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return string(p)
	}
	quoted := strconv.Quote(string(p))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
