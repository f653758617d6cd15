package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-15847954/ropewalk/server"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect" // WebSocket over HTTP/2
)

func newServe(t terminal) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server until SIGTERM or SIGINT. It then stops accepting, closes every connection\n" +
			"with code 1001, and exits with 0; a second signal ends it at once with 130.\n\n" +
			"Each flag but --config is also a key of the file, and an environment variable:\n" +
			"--limits-data is limits.data and ROPEWALK_LIMITS_DATA. Flags win over the environment,\n" +
			"and the environment wins over the file.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), t, server.Sources{File: file, Env: os.Environ(), Flags: given(cmd.Flags())})
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&file, "config", "", "YAML file to read the configuration from")
	for _, s := range server.Settings() {
		cmd.Flags().String(s.Flag(), s.Default, s.Usage+": "+s.Allowed)
		if s.Bool {
			cmd.Flags().Lookup(s.Flag()).NoOptDefVal = "true"
		}
	}
	return cmd
}

func serve(ctx context.Context, t terminal, from server.Sources) error {
	config, warnings, err := server.Load(from)
	if err != nil {
		return usagef("%w", err)
	}
	info, _ := debug.ReadBuildInfo()
	config.Version, _ = release(info)
	log := newLog(config, t.err)
	for _, w := range warnings {
		log.Warn(w)
	}
	srv, err := server.New(config, log)
	if err != nil {
		return usagef("%w", err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	ln, err := srv.Listen()
	if err != nil {
		return err
	}
	log.Info("listening", "address", ln.Addr().String())
	if config.Dev {
		if err := welcome(t.out, ln.Addr()); err != nil {
			return err
		}
	}
	return srv.Serve(ctx, ln)
}

// given returns the settings that were given as flags.
func given(flags *pflag.FlagSet) map[string]string {
	values := make(map[string]string)
	for _, s := range server.Settings() {
		if flags.Changed(s.Flag()) {
			values[s.Key] = flags.Lookup(s.Flag()).Value.String()
		}
	}
	return values
}

func newLog(config server.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: config.LogLevel}
	if config.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// welcome says what to do with a server that somebody wants to try.
func welcome(w io.Writer, addr net.Addr) error {
	_, err := fmt.Fprintf(w, `
Ropewalk is ready. Open this page in two windows:

    http://%[1]s/

Publish from a shell:

    curl -H 'Content-Type: application/json' -d '{"channel":"news","data":"hello"}' http://%[1]s/api/publish

`, addr)
	return err
}

// untilSignal returns a context that SIGINT and SIGTERM end. The next signal ends
// the process.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-stopped:
			return
		}
		select {
		case <-signals:
			os.Exit(exitKilled)
		case <-stopped:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel()
	}
}
