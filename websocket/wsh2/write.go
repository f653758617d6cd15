package wsh2

import (
	"fmt"
	"os"

	"golang.org/x/net/http2"
)

// Bounds of what waits to be written, in bytes: with maxQueued, DATA waits; more
// than maxControl there is only if a server provokes answers that it does not read.
const (
	maxQueued  = 64 << 10
	maxControl = 1 << 20
)

// send puts a frame into what is to be written. The caller holds mu.
func (c *conn) send(write func(*http2.Framer) error) {
	before := c.out.Len()
	_ = write(c.framer) // of legal frames, into memory
	c.queued += int64(c.out.Len() - before)
	c.wake.Signal()
	if c.out.Len() > maxControl && c.err == nil {
		c.out.Reset()
		c.protocolError(http2.ErrCodeEnhanceYourCalm, "it does not read the answers to its frames")
	}
}

// writeFrames writes what is queued until the connection has ended.
func (c *conn) writeFrames() {
	defer c.half()
	c.mu.Lock()
	defer c.mu.Unlock()
	var b []byte
	for {
		for c.out.Len() == 0 && c.err == nil {
			c.wake.Wait()
		}
		if c.out.Len() == 0 {
			break
		}
		b = append(b[:0], c.out.Bytes()...)
		c.out.Reset()
		c.mu.Unlock()
		n, err := c.nc.Write(b)
		c.mu.Lock()
		c.written += int64(n)
		if err != nil {
			c.fail(http2.ErrCodeNo, fmt.Errorf("write: %w", err))
			break
		}
		c.wakeBlocked()
	}
	_ = c.nc.Close() // ends reading; nothing is left to be lost
}

// wakeBlocked has all streams look whether they can write now. The caller holds mu.
func (c *conn) wakeBlocked() {
	for s := range c.blocked {
		s.writeWake.set()
	}
}

// Write sends p as DATA, as the windows of stream and connection allow (RFC 9113,
// section 5.2), and returns when the kernel has it. At the write deadline it
// returns how much was queued, which will be sent.
func (s *stream) Write(p []byte) (n int, err error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(p) > 0 {
		if err := s.sendError(); err != nil {
			return n, err
		}
		size := min(int64(len(p)), s.sendWindow, c.sendWindow, c.peer.maxFrame, maxFrameSize)
		if size <= 0 || c.out.Len() >= maxQueued {
			if err := s.waitToWrite(); err != nil {
				return n, err
			}
			continue
		}
		s.sendWindow -= size
		c.sendWindow -= size
		c.send(func(f *http2.Framer) error { return f.WriteData(s.id, false, p[:size]) })
		p = p[size:]
		n += int(size)
	}
	for end := c.queued; c.written < end; {
		if c.err != nil {
			return n, s.sendError()
		}
		if err := s.waitToWrite(); err != nil {
			return n, nil // it is queued
		}
	}
	return n, nil
}

// sendError says why s cannot send. The caller holds mu.
func (s *stream) sendError() error {
	switch {
	case s.closed:
		return errClosed
	case s.sentEnd:
		return errEnded
	case s.sendErr != nil:
		return s.sendErr
	case s.writeDeadline.expired():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// waitToWrite waits until something has changed for Write. The caller holds mu.
func (s *stream) waitToWrite() error {
	c := s.c
	if s.closed {
		return errClosed
	}
	if s.writeDeadline.expired() {
		return os.ErrDeadlineExceeded
	}
	c.blocked[s] = true
	expired := s.writeDeadline.channel()
	c.mu.Unlock()
	select {
	case <-s.writeWake:
	case <-expired:
	}
	c.mu.Lock()
	delete(c.blocked, s)
	return nil
}
