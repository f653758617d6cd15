package main

import (
	"errors"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/websocket"
)

const defaultURL = "ws://127.0.0.1:8000/connection/websocket"

// protobufFlag adds the flag of those commands that speak either encoding.
func protobufFlag(cmd *cobra.Command) (encoding func() client.Encoding) {
	protobuf := cmd.Flags().Bool("protobuf", false, "speak Protocol Buffers with the server in place of JSON")
	return func() client.Encoding {
		if *protobuf {
			return client.Protobuf
		}
		return client.JSON
	}
}

// checkURL reports why a command cannot connect to a URL.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return usagef("--url is not a URL") // who could say where a password stands in it?
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return usagef("%q is not a ws:// or wss:// URL", u.Redacted())
	}
	return nil
}

// dial returns a client of the server at a URL, and a channel that gets the error of an
// end for good, or of the first attempt to connect. Lost is told of later ends and
// attempts; if it is nil they are errors as well.
func dial(rawURL string, e client.Encoding, lost func(err error, next time.Duration)) (*client.Client, <-chan error, error) {
	if err := checkURL(rawURL); err != nil {
		return nil, nil, err
	}
	failed := make(chan error, 1)
	up := false // the callbacks come one at a time
	c, err := client.New(rawURL, &client.Options{
		Encoding:    e,
		OnConnected: func(client.Connected) { up = true },
		OnDisconnected: func(err error, next time.Duration) {
			if up && next >= 0 && lost != nil {
				lost(err, next)
				return
			}
			select {
			case failed <- err:
			default:
			}
		},
	})
	return c, failed, err
}

// endOf turns the end of a connection into that of the command.
func endOf(err error) error {
	if _, ok := errors.AsType[*client.Disconnect](err); ok {
		return &exitError{exitAbnormal, err}
	}
	closed, ok := errors.AsType[*websocket.CloseError](err)
	switch {
	case !ok:
		return err
	case closed.Code == websocket.CloseNormal, closed.Code == websocket.CloseNoStatus:
		return nil
	}
	return &exitError{exitAbnormal, err}
}
