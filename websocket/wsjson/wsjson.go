// Package wsjson reads and writes JSON messages.
package wsjson

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-15847954/ropewalk/websocket"
)

// Read reads one message and decodes it into v, as json.Unmarshal does. A message
// that is not JSON, or does not fit v, gives an error of encoding/json; the
// connection lives on, and what to answer is the caller's choice. Both types of
// messages are taken.
func Read(ctx context.Context, c *websocket.Conn, v any) error {
	_, p, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(p, v); err != nil {
		return fmt.Errorf("wsjson: decode message: %w", err)
	}
	return nil
}

// Write encodes v, as json.Marshal does, and sends it as one text message.
// If v cannot be encoded, nothing is sent.
func Write(ctx context.Context, c *websocket.Conn, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("wsjson: encode message: %w", err)
	}
	return c.Write(ctx, websocket.Text, p)
}
