package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/client"
)

// pubTime bounds all of `ropewalk pub`.
const pubTime = 30 * time.Second

func newPub(t terminal) *cobra.Command {
	var url string
	var options client.PublishOptions
	var encoding func() client.Encoding
	cmd := &cobra.Command{
		Use:   "pub CHANNEL DATA",
		Short: "Publish one message",
		Long: "Publish one message to a channel. DATA that is JSON is sent as such, any other as a string, and with\n" +
			"--content-type as the bytes that it is; - reads it from stdin.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := pubData(args[1], options.ContentType != "", t.in)
			if err != nil {
				return err
			}
			return pub(cmd.Context(), url, encoding(), args[0], data, &options, t.out)
		},
	}
	cmd.Flags().StringVar(&url, "url", defaultURL, "WebSocket URL of the server")
	cmd.Flags().StringVar(&options.ID, "id", "", "name for the publication, which subscribers see: the same one is published once")
	cmd.Flags().StringVar(&options.Key, "key", "", "which publications this one supersedes for slow subscribers")
	cmd.Flags().StringToStringVar(&options.Tags, "tag", nil, "NAME=VALUE for subscribers, more than once if wanted")
	cmd.Flags().StringVar(&options.ContentType, "content-type", "", "media type of DATA, which then is not JSON")
	encoding = protobufFlag(cmd)
	return cmd
}

// maxStdin bounds what is read as the data of one publication.
const maxStdin = 64 << 20

// pubData returns what to publish: the bytes of DATA, or JSON.
func pubData(arg string, raw bool, stdin io.Reader) ([]byte, error) {
	text := []byte(arg)
	if arg == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(stdin, maxStdin)); err != nil {
			return nil, fmt.Errorf("read stdin: %w", err)
		}
	}
	if !raw && !utf8.Valid(text) {
		return nil, usagef("DATA is not UTF-8, and there is no --content-type")
	}
	if raw || json.Valid(text) {
		return text, nil
	}
	return json.Marshal(string(text))
}

func pub(ctx context.Context, url string, e client.Encoding, channel string, data []byte, o *client.PublishOptions, out io.Writer) error {
	c, failed, err := dial(url, e, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, pubTime)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		select {
		case err := <-failed:
			giveUp(err)
		case <-ctx.Done():
		}
	}()
	done, err := c.Publish(ctx, channel, data, o)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	_, err = fmt.Fprintf(out, "epoch %s offset %d\n", printable([]byte(done.Epoch)), done.Offset)
	return err
}
