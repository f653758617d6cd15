package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsjson"
)

const defaultURL = "ws://127.0.0.1:8000/connection/websocket"

// A nativeClient speaks docs/reference/protocol.md: one command at a time, for
// `ropewalk pub` and `ropewalk sub`.
type nativeClient struct {
	conn   *websocket.Conn
	lastID uint64

	// early are the publications that came while a reply was waited for.
	early []publication
}

// A position is a reply's, or a publication's.
type position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

type publication struct {
	Channel string `json:"channel"`
	position
	Prev uint64 `json:"prev"`

	text []byte // the whole of it as it came
}

// An answer is one message of the server.
type answer struct {
	ID          uint64          `json:"id"`
	Subscribe   *position       `json:"subscribe"`
	Publish     *position       `json:"publish"`
	Publication json.RawMessage `json:"publication"`
	Error       *native.Error   `json:"error"`
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

// dialNative connects to a server, up to its answer to connect.
func dialNative(ctx context.Context, url string) (*nativeClient, error) {
	if err := checkURL(url); err != nil {
		return nil, err
	}
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{native.Subprotocol}})
	if err != nil {
		return nil, err
	}
	c := &nativeClient{conn: conn}
	if conn.Subprotocol() != native.Subprotocol {
		_ = conn.Close(websocket.CloseNormal, "")
		return nil, fmt.Errorf("the server does not speak %s", native.Subprotocol)
	}
	if _, err := c.command(ctx, "connect", struct{}{}); err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	return c, nil
}

func (c *nativeClient) close() { _ = c.conn.Close(websocket.CloseNormal, "") }

// command sends a command and returns its reply, or the error in it.
func (c *nativeClient) command(ctx context.Context, name string, body any) (answer, error) {
	c.lastID++
	err := wsjson.Write(ctx, c.conn, map[string]any{"id": c.lastID, name: body})
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", name, err)
	}
	for {
		a, p, err := c.read(ctx)
		switch {
		case err != nil:
			return a, fmt.Errorf("%s: %w", name, err)
		case p != nil:
			c.early = append(c.early, *p)
		case a.ID != c.lastID: // a push that this client does not know
		case a.Error != nil:
			return a, fmt.Errorf("%s: %w", name, a.Error)
		default:
			return a, nil
		}
	}
}

// next returns the next publication.
func (c *nativeClient) next(ctx context.Context) (publication, error) {
	if len(c.early) > 0 {
		p := c.early[0]
		c.early = c.early[1:]
		return p, nil
	}
	for {
		_, p, err := c.read(ctx)
		if err != nil {
			return publication{}, err
		}
		if p != nil {
			return *p, nil
		}
	}
}

// read returns one message, and its publication where it is one.
func (c *nativeClient) read(ctx context.Context) (answer, *publication, error) {
	var a answer
	if err := wsjson.Read(ctx, c.conn, &a); err != nil {
		return a, nil, err
	}
	if a.Publication == nil {
		return a, nil, nil
	}
	var p publication
	if err := json.Unmarshal(a.Publication, &p); err != nil {
		return a, nil, fmt.Errorf("publication: %w", err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, a.Publication); err != nil {
		return a, nil, fmt.Errorf("publication: %w", err)
	}
	p.text = line.Bytes()
	return a, &p, nil
}

// endOf turns the end of a connection into that of the command.
func endOf(err error) error {
	closed, ok := errors.AsType[*websocket.CloseError](err)
	switch {
	case !ok:
		return err
	case closed.Code == websocket.CloseNormal, closed.Code == websocket.CloseNoStatus:
		return nil
	}
	return &exitError{exitAbnormal, err}
}
