package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// pubTime bounds all of `ropewalk pub`.
const pubTime = 30 * time.Second

func newPub(t terminal) *cobra.Command {
	var url, id string
	cmd := &cobra.Command{
		Use:   "pub CHANNEL DATA",
		Short: "Publish one message",
		Long:  "Publish one message to a channel. DATA that is JSON is sent as such, any other as a string; - reads it from stdin.",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := pubData(args[1], t.in)
			if err != nil {
				return err
			}
			body := map[string]any{"channel": args[0], "data": data}
			if id != "" {
				body["id"] = id
			}
			return pub(cmd.Context(), url, body, t.out)
		},
	}
	cmd.Flags().StringVar(&url, "url", defaultURL, "WebSocket URL of the server")
	cmd.Flags().StringVar(&id, "id", "", "name for the publication, which subscribers see")
	return cmd
}

// maxStdin bounds what is read as the data of one publication.
const maxStdin = 64 << 20

func pubData(arg string, stdin io.Reader) (json.RawMessage, error) {
	text := []byte(arg)
	if arg == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(stdin, maxStdin)); err != nil {
			return nil, fmt.Errorf("read stdin: %w", err)
		}
	}
	if !utf8.Valid(text) {
		return nil, usagef("DATA is not UTF-8")
	}
	if json.Valid(text) {
		return text, nil
	}
	return json.Marshal(string(text))
}

func pub(ctx context.Context, url string, body map[string]any, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, pubTime)
	defer cancel()
	c, err := dialNative(ctx, url)
	if err != nil {
		return err
	}
	defer c.close()
	a, err := c.command(ctx, "publish", body)
	if err != nil {
		return err
	}
	if a.Publish == nil {
		return fmt.Errorf("publish: the server's reply has no position")
	}
	_, err = fmt.Fprintf(out, "epoch %s offset %d\n", printable([]byte(a.Publish.Epoch)), a.Publish.Offset)
	return err
}
