package main

import (
	"context"

	"github.com/seed-15847954/ropewalk/websocket"
)

// echoEvents sends every message of its connection back.
type echoEvents struct {
	leave func() (stopped bool) // forgets to close the connection at the end of the program
	done  func()
}

// Message implements [websocket.EventHandler].
func (*echoEvents) Message(c *websocket.Conn, typ websocket.MessageType, p []byte) {
	_ = c.Write(context.Background(), typ, p) // Closed tells what goes wrong
}

// Closed implements [websocket.EventHandler].
func (e *echoEvents) Closed(*websocket.Conn, error) {
	e.leave()
	e.done()
}
