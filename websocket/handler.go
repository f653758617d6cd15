package websocket

import (
	"context"
	"log"
	"net/http"
	"runtime"
	"time"
)

// A Handler is an [http.Handler] that accepts WebSocket connections, as [Accept]
// does, and serves each in a goroutine of its own. A handler that calls Accept and
// stays with the connection keeps what the HTTP server has made for the request: a
// goroutine whose stack has grown, and buffers of 4 KiB each way. A Handler returns at
// once, and all that is freed.
//
// A request that is refused was answered; nobody is told. A program that wants
// to know calls Accept.
type Handler struct {
	// Options are those of Accept. Nil means the zero value.
	Options *AcceptOptions

	// Serve is called with each connection that was accepted, and with its request,
	// which has no body. The context of the request is c's: it has the values of
	// the HTTP server's and of the middleware's context, and is cancelled when c
	// ends. What Serve does not use any more of the request is freed.
	//
	// When Serve returns, the connection is closed by c.Close(CloseNormal, ""), which
	// does nothing if it has ended or another Close is under way. But where Serve
	// has called [Conn.Handle], the connection lives on without it.
	//
	// A panic is treated as http.Server treats it: it is logged to the server's
	// ErrorLog, and ends this connection alone, with CloseInternalError. A panic
	// with http.ErrAbortHandler is not logged and ends it without a Close frame.
	//
	// Serve outlives the HTTP request: http.Server.Shutdown does not wait for it.
	// (Over HTTP/2, where a connection ends with its request, ServeHTTP calls Serve
	// itself, and returns when the connection has ended.)
	Serve func(c *Conn, r *http.Request)
}

// ServeHTTP answers the opening handshake of a client.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := Accept(w, r, h.Options)
	if err != nil {
		return // the client has its answer
	}
	kept := r.WithContext((*connContext)(c))
	kept.Body = http.NoBody
	if r.ProtoMajor == 1 {
		go h.serve(c, kept)
		return
	}
	h.serve(c, kept)
	<-c.wait(&c.ended)
	if s, ok := c.transport.Load().stream.(*connectStream); ok {
		s.awaitRelease()
	}
}

// serve calls Serve and ends the connection as its outcome asks for.
func (h Handler) serve(c *Conn, r *http.Request) {
	returned := false
	defer func() {
		if !returned {
			c.stopServing(recover())
		}
	}()
	h.Serve(c, r)
	returned = true
	if !c.events.Load() {
		_ = c.Close(CloseNormal, "") // how it ended is of no use to anybody now
	}
}

// stopServing ends a connection whose Serve has panicked with cause, or has called
// runtime.Goexit: then cause is nil.
func (c *Conn) stopServing(cause any) {
	if cause == nil || cause == http.ErrAbortHandler {
		c.CloseNow()
		return
	}
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	logf := log.Printf
	if s, ok := c.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		logf = s.ErrorLog.Printf
	}
	logf("websocket: panic serving %v: %v\n%s", c.RemoteAddr(), cause, stack)
	_ = c.Close(CloseInternalError, "") // the panic is what counts
}

// A connContext is Conn.Context, made when it is first used: most requests' never
// is, and every connection would pay for it.
type connContext Conn

func (c *connContext) context() context.Context { return (*Conn)(c).Context() }

func (c *connContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *connContext) Done() <-chan struct{}       { return c.context().Done() }
func (c *connContext) Err() error                  { return c.context().Err() }
func (c *connContext) Value(key any) any           { return c.context().Value(key) }
