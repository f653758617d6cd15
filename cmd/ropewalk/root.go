package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes of every command.
const (
	exitOK       = 0
	exitFailed   = 1   // it could not be done: no connection, no port, a refusal
	exitUsage    = 2   // a bad flag, argument or configuration; nothing was done
	exitAbnormal = 3   // a connection ended otherwise than by a normal close
	exitKilled   = 130 // a second signal came
)

// A terminal is what a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error // nil: nothing is left to be said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef makes the error for what the caller has asked wrongly.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// run runs the command that args name and returns the exit code.
func run(ctx context.Context, args []string, t terminal) int {
	root := newRoot(t)
	root.SetArgs(args)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		if exit.err != nil {
			complain(t, exit.err)
		}
		return exit.code
	case !started: // what cobra refuses: unknown commands, flags, arguments
		complain(t, err)
		return exitUsage
	}
	complain(t, err)
	return exitFailed
}

// complain prints err on one line. What a peer has said may be part of it.
func complain(t terminal, err error) {
	fmt.Fprintln(t.err, "ropewalk:", printable([]byte(strings.ReplaceAll(err.Error(), "\n", " "))))
}

func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:           "ropewalk",
		Short:         "A real-time messaging server over WebSocket",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newServe(t),
		newEcho(t),
		newConnect(t),
		newPub(t),
		newSub(t),
		newVersion(t),
	)
	return root
}
