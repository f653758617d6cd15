//go:build interop

package interop

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed-15847954/ropewalk/interop/process"
	"github.com/seed-15847954/ropewalk/websocket"
)

// peers are the WebSocket libraries that play the other side.
var peers = []struct {
	name  string
	start func(t *testing.T) *peer
}{
	{"npm ws", func(t *testing.T) *peer {
		return startPeer(t, tool(t, "node"), "peers/ws.cjs")
	}},
	{"Python websockets", func(t *testing.T) *peer {
		return startPeer(t, tool(t, filepath.Join("..", "build", "interop", "venv", "bin", "python")), "peers/websockets_peer.py")
	}},
}

// A peer is a program that holds one WebSocket connection at a time and does
// with it what it is told.
type peer struct {
	t     *testing.T
	lines *process.Lines
}

// deflate says what a peer asks for in its offer or its answer. Zero window bits
// are not asked for.
type deflate struct {
	ServerNoTakeover bool `json:"serverNoTakeover"`
	ClientNoTakeover bool `json:"clientNoTakeover"`
	ServerBits       int  `json:"serverBits"`
	ClientBits       int  `json:"clientBits"`
}

// ending is how a peer saw a connection end.
type ending struct {
	Code   websocket.CloseCode `json:"code"`
	Reason string              `json:"reason"`
}

func startPeer(t *testing.T, program, script string) *peer {
	t.Helper()
	return &peer{t: t, lines: startLines(t, exec.Command(program, script))}
}

// with gives the peer to a subtest.
func (p *peer) with(t *testing.T) *peer { return &peer{t: t, lines: p.lines} }

func (p *peer) do(do string, with map[string]any, result any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := p.lines.Do(ctx, do, with, result); err != nil {
		p.t.Fatal(err)
	}
}

// dial connects and returns the extensions that the server's answer names.
// A nil compress offers none.
func (p *peer) dial(url string, compress *deflate) (extensions string) {
	p.t.Helper()
	var got struct{ Extensions string }
	p.do("dial", map[string]any{"url": url, "compress": compress}, &got)
	return got.Extensions
}

// dialSubprotocol connects and returns the subprotocol agreed.
func (p *peer) dialSubprotocol(url string, offered ...string) string {
	p.t.Helper()
	var got struct{ Subprotocol string }
	p.do("dial", map[string]any{"url": url, "subprotocols": offered}, &got)
	return got.Subprotocol
}

// listen starts a server and returns its URL. A nil compress agrees to none.
func (p *peer) listen(compress *deflate) string {
	p.t.Helper()
	var got struct{ Addr string }
	p.do("listen", map[string]any{"compress": compress, "subprotocol": "chat.v2"}, &got)
	return "ws://" + got.Addr
}

// accept waits for a connection to the server and returns its subprotocol.
func (p *peer) accept() string {
	p.t.Helper()
	var got struct{ Subprotocol string }
	p.do("accept", nil, &got)
	return got.Subprotocol
}

// send sends one message, each part as a frame of its own.
func (p *peer) send(typ websocket.MessageType, parts ...[]byte) {
	p.t.Helper()
	p.do("send", map[string]any{"binary": typ == websocket.Binary, "parts": parts}, nil)
}

func (p *peer) receive() (websocket.MessageType, []byte) {
	p.t.Helper()
	var got struct {
		Binary bool
		Data   []byte
	}
	p.do("receive", nil, &got)
	if got.Binary {
		return websocket.Binary, got.Data
	}
	return websocket.Text, got.Data
}

// ping sends a Ping, waits for its Pong and returns what that carries.
func (p *peer) ping(data string) string {
	p.t.Helper()
	var got struct{ Data string }
	p.do("ping", map[string]any{"data": data}, &got)
	return got.Data
}

// pong sends a Pong that nobody asked for.
func (p *peer) pong(data string) {
	p.t.Helper()
	p.do("pong", map[string]any{"data": data}, nil)
}

// close closes the connection and returns how the peer saw it end.
func (p *peer) close(code websocket.CloseCode, reason string) ending {
	p.t.Helper()
	var got ending
	p.do("close", map[string]any{"code": code, "reason": reason}, &got)
	return got
}

// closed waits for the connection's end and returns how the peer saw it.
func (p *peer) closed() ending {
	p.t.Helper()
	var got ending
	p.do("closed", nil, &got)
	return got
}

// shut drops the connection and stops the peer's server, if it is one.
func (p *peer) shut() {
	p.t.Helper()
	p.do("shut", nil, nil)
}
