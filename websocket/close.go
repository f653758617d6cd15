package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// lingerTime bounds the wait for the peer to close its side once the closing
// handshake is over or the connection has failed. Closing a socket with bytes
// unread resets it, and the reset can take away the Close frame before the peer
// has read it (RFC 6455, section 7.1.1).
const lingerTime = time.Second

// Close performs the closing handshake (RFC 6455, section 7.1.2): it sends a Close
// frame, behind the messages that Send has queued, waits for the peer's, and closes
// the transport, in at most CloseTimeout.
// Messages that come meanwhile go to a Read under way, or are discarded.
//
// The code must be one that may be sent: 1000 to 1003, 1007 to 1014 (1010 by
// clients only), 3000 to 4999; or CloseNoStatus, which sends none. A reason of
// more than 123 bytes is cut between two code points. The peer's application
// should not show it to its user.
//
// Close returns nil when the peer has answered. When the connection has ended or
// is being closed for another cause, it waits for the end and returns that.
func (c *Conn) Close(code CloseCode, reason string) error {
	if code != CloseNoStatus && !code.Sendable() {
		return fmt.Errorf("websocket: close code %v must not be sent", code)
	}
	if code == CloseMandatoryExtension && c.role == Server {
		return fmt.Errorf("websocket: close code %v is for clients", code)
	}
	timer := c.closeTimer()
	own := &CloseError{Code: code, Reason: frame.CutReason(reason)}
	if c.fail(own) == own {
		c.queueClose(own, true)
	}
	if c.events.Load() {
		c.closeBehind()
		return nil
	}
	answered := c.awaitPeer(timer)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.final.Load() != own:
		return c.final.Load()
	case !answered:
		return fmt.Errorf("websocket: peer did not answer the close: %w", c.after)
	}
	return nil
}

// CloseNow ends the connection without a closing handshake. If one has been
// completed, or the connection has failed and the peer was told, it leaves the
// wait for the end of the peer's side to the connection: a second, or on a client
// that waits for its server at most CloseTimeout. It does nothing
// to a connection that has ended, and always returns nil. It waits for the
// connection's goroutines, unless it is in the hands of an [EventHandler].
func (c *Conn) CloseNow() error {
	if c.lingering.Load() {
		return nil
	}
	c.fail(&CloseError{Code: CloseAbnormal, Err: errCloseNow})
	c.end()
	c.mu.Lock()
	c.noWorkers = true
	c.mu.Unlock()
	if !c.events.Load() { // else a handler may have called
		c.workers.Wait()
	}
	return nil
}

var errCloseNow = errors.New("CloseNow was called")

// fail sets the cause of the end, unless there is one, and returns the one that
// stays.
func (c *Conn) fail(e *CloseError) *CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.final.Load() == nil:
		c.final.Store(e)
		if l := c.life; l != nil && l.cancel != nil {
			l.cancel(e)
		}
	case c.after == nil:
		c.after = e
	}
	return c.final.Load()
}

// cause returns the cause of the end, or nil while there is none.
func (c *Conn) cause() *CloseError { return c.final.Load() }

// err is cause as an error.
func (c *Conn) err() error {
	if final := c.cause(); final != nil {
		return final
	}
	return nil
}

// startClose makes e the cause of the end, unless there is one, and sends its
// Close frame, ahead of messages that wait.
func (c *Conn) startClose(e *CloseError) {
	if c.fail(e) == e {
		c.queueClose(e, false)
	}
}

// closeTimer returns a channel that is ready when a closing handshake that begins
// now has taken too long.
func (c *Conn) closeTimer() <-chan time.Time { return time.After(c.cfg.closeTimeout) }

// awaitPeer waits for the peer's Close frame and the end of the transport, which
// it brings about itself when timeout is ready. It reads if nobody else does, and
// reports whether the Close frame came.
func (c *Conn) awaitPeer(timeout <-chan time.Time) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-timeout:
			c.fail(&CloseError{Code: CloseAbnormal, Err: os.ErrDeadlineExceeded})
			c.end()
		case <-ctx.Done():
		}
	}()
	gotClose, ended := c.wait(&c.gotClose), c.wait(&c.ended)
	for !c.gotClose.happened.Load() && !c.ended.happened.Load() {
		if !c.reading.acquire(gotClose, ended) {
			break
		}
		c.draining = true
		c.msg.reset()
		for c.readErr == nil {
			if _, err := c.next(ctx); err != nil {
				break
			}
		}
		failed := c.readErr != nil
		c.endRead()
		if failed {
			<-ended
		}
	}
	<-ended
	return c.gotClose.happened.Load()
}

// closeBehind is awaitPeer for a caller that goes on.
func (c *Conn) closeBehind() {
	if _, p := c.current(); p != nil {
		p.closing()
		return
	}
	timer := c.closeTimer()
	c.spawn(func() { c.awaitPeer(timer) })
}

// closedByPeer deals with the peer's Close frame: it answers it, unless it is
// itself the answer, and closes the transport. The caller holds reading.
func (c *Conn) closedByPeer(ctx context.Context, code CloseCode, reason string) error {
	final := c.fail(&CloseError{Code: code, Reason: reason, Remote: true})
	c.fire(&c.gotClose)
	// 5.5.1: the answer usually has the same code.
	c.queueClose(&CloseError{Code: code}, true)
	return c.leave(ctx, final)
}

// violation fails the connection for what the peer did wrong (RFC 6455,
// section 7.1.7). The caller holds reading.
func (c *Conn) violation(ctx context.Context, err error) error {
	e := &CloseError{Code: CloseProtocolError, Reason: err.Error(), Err: err}
	var wrong *frame.Error
	if errors.As(err, &wrong) {
		e.Code = wrong.Code
	}
	final := c.fail(e)
	c.queueClose(e, false)
	return c.leave(ctx, final)
}

// leave ends reading: it has the transport closed in good order once the Close
// frame is out, and returns final. It waits for the Close frame as long as ctx
// allows. The caller holds reading.
func (c *Conn) leave(ctx context.Context, final *CloseError) error {
	c.readErr = final
	c.msg.reset()
	if p := c.polled.Load(); p != nil {
		p.linger()
		return final
	}
	c.spawn(c.linger)
	givenUp := ctx.Done()
	if context.Cause(ctx) == error(final) {
		givenUp = nil // Context, or one made of it: what ended it is this end
	}
	select {
	case <-c.wait(&c.sentClose):
		c.lingering.Store(true)
	case <-c.wait(&c.ended):
	case <-givenUp:
	}
	return final
}

// linger closes the transport when the Close frames have crossed, or the own one is
// out after a failure. 7.1.1: the server closes first, the client waits for it.
// What still comes is discarded.
func (c *Conn) linger() {
	// A peer that does not read cannot be told.
	patience := time.AfterFunc(c.cfg.closeTimeout, c.end)
	select {
	case <-c.wait(&c.sentClose):
	case <-c.wait(&c.ended):
	}
	patience.Stop()
	wait := min(lingerTime, c.cfg.closeTimeout)
	if c.role == Server || !c.gotClose.happened.Load() {
		c.transport.Load().closeWrite()
	} else {
		wait = c.cfg.closeTimeout
	}
	// Closing the stream ends the read below.
	timer := time.AfterFunc(wait, c.end)
	defer timer.Stop()
	buf := make([]byte, 4<<10)
	for {
		if _, err := c.transport.Load().read(context.Background(), buf); err != nil {
			break
		}
	}
	c.end()
}

// lost ends the connection because the peer's side of the transport is gone
// without a Close frame (RFC 6455, section 7.1.5). The caller holds reading.
func (c *Conn) lost(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.readErr = c.fail(&CloseError{Code: CloseAbnormal, Remote: true, Err: err})
	if c.receiving != nil {
		c.msg.reset()
	}
	c.end()
	return c.readErr
}

// refused deals with a write that the transport refused. The peer may have sent
// a Close frame that says why; a reader has lingerTime to find it before the
// refusal becomes the cause of the end.
func (c *Conn) refused(err error) *CloseError {
	e := &CloseError{Code: CloseAbnormal, Remote: true, Err: err}
	if final := c.cause(); final != nil {
		return final
	}
	time.AfterFunc(lingerTime, func() {
		c.fail(e)
		c.end()
	})
	return e
}

// spawn runs f in a goroutine that CloseNow waits for. f must end soon after the
// transport has. It reports false, and does nothing, when CloseNow has been called.
func (c *Conn) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noWorkers {
		return false
	}
	c.workers.Go(f)
	return true
}

// end closes the transport. The cause was set before.
func (c *Conn) end() {
	c.mu.Lock()
	first := !c.gone
	c.gone = true
	c.mu.Unlock()
	if !first {
		return
	}
	t, p := c.current() // for good: gone is set
	if t != nil {
		t.close()
	} else {
		p.Close()
	}
	c.fire(&c.ended)
	if p != nil {
		p.resume() // fails what had stopped
	}
	c.dropQueue()
	c.releaseMessage()
	if p != nil {
		p.step()
	}
}
