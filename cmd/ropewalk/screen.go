package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// maxLine bounds a line of input that is not typed.
const maxLine = 64 << 20

// A screen is where `ropewalk connect` reads lines and shows messages: a terminal
// with line editing and history, or plain lines where there is none.
type screen struct {
	terminal *term.Terminal // nil: plain lines
	restore  func()

	lines *bufio.Scanner

	mu         sync.Mutex // for out and notes
	out, notes io.Writer
}

func newScreen(in io.Reader, out, notes io.Writer) (*screen, error) {
	s := &screen{out: out, notes: notes, restore: func() {}}
	stdin, ok := in.(*os.File)
	stdout, also := out.(*os.File)
	if !ok || !also || !term.IsTerminal(int(stdin.Fd())) || !term.IsTerminal(int(stdout.Fd())) {
		s.lines = bufio.NewScanner(in)
		s.lines.Buffer(nil, maxLine)
		return s, nil
	}
	state, err := term.MakeRaw(int(stdin.Fd()))
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	s.restore = func() { _ = term.Restore(int(stdin.Fd()), state) }
	s.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{stdin, stdout}, "> ")
	if width, height, err := term.GetSize(int(stdout.Fd())); err == nil {
		_ = s.terminal.SetSize(width, height) // a width of 0 is refused, and the default stays
	}
	// The terminal redraws the line that is being typed below what it shows.
	s.out, s.notes = s.terminal, s.terminal
	return s, nil
}

// close gives the terminal back as it was.
func (s *screen) close() { s.restore() }

// readLine returns the next line. Ctrl-C and Ctrl-D are the end of the input.
func (s *screen) readLine() (string, error) {
	if s.terminal != nil {
		return s.terminal.ReadLine()
	}
	if s.lines.Scan() {
		return s.lines.Text(), nil
	}
	if err := s.lines.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

// message shows what the peer has sent. It must be printable.
func (s *screen) message(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix := ""
	if s.terminal != nil {
		prefix = "< "
	}
	fmt.Fprintf(s.out, "%s%s\n", prefix, text)
}

// note shows what happens.
func (s *screen) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.notes, printable(fmt.Sprintf(format, args...)))
}
