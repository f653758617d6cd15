package wsh2

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2"
)

// readFrames reads and handles frames until the connection has ended.
func (c *conn) readFrames() {
	defer c.half()
	for first := true; ; first = false {
		f, err := c.in.ReadFrame()
		c.mu.Lock()
		c.heard = time.Now()
		c.pinged = false
		if err != nil {
			c.readError(err)
		} else {
			c.handle(f, first)
		}
		ended := c.err != nil
		c.mu.Unlock()
		if ended {
			break
		}
	}
	// What still comes is discarded, so that closing does not reset the connection
	// before the server has read the GOAWAY. Writing ends this.
	_, _ = io.Copy(io.Discard, c.nc)
}

// readError deals with what is no frame. The caller holds mu.
func (c *conn) readError(err error) {
	var inStream http2.StreamError
	var inConn http2.ConnectionError
	switch {
	case errors.As(err, &inStream):
		c.spend("malformed frames")
		c.streamError(c.streams[inStream.StreamID], inStream.StreamID, inStream.Code, detail(c.in, err))
	case errors.As(err, &inConn):
		c.protocolError(http2.ErrCode(inConn), "%s", detail(c.in, err))
	case errors.Is(err, http2.ErrFrameTooLarge):
		c.protocolError(http2.ErrCodeFrameSize, "a frame is larger than SETTINGS_MAX_FRAME_SIZE")
	default:
		c.fail(http2.ErrCodeNo, fmt.Errorf("read: %w", err))
	}
}

// detail is what the Framer has against a frame.
func detail(f *http2.Framer, err error) string {
	if why := f.ErrorDetail(); why != nil {
		return why.Error()
	}
	return err.Error()
}

// protocolError ends the connection because of what the server did wrong (RFC 9113,
// section 5.4.1). The caller holds mu.
func (c *conn) protocolError(code http2.ErrCode, format string, args ...any) {
	c.fail(code, &ProtocolError{Code: uint32(code), Reason: fmt.Sprintf(format, args...)})
}

// streamError resets a stream because of what the server did wrong on it (RFC 9113,
// section 5.4.2). s is nil if it has ended. The caller holds mu.
func (c *conn) streamError(s *stream, id uint32, code http2.ErrCode, reason string) {
	switch {
	case s != nil:
		s.reset(code, &ProtocolError{Code: uint32(code), Reason: reason})
	case c.isIdle(id):
		c.protocolError(http2.ErrCodeProtocol, "a frame for stream %d, which is idle", id)
	}
}

// isIdle reports whether a stream was never opened. The caller holds mu.
func (c *conn) isIdle(id uint32) bool { return id%2 == 0 || id >= c.nextID }

// spend bounds what costs the server nothing. The caller holds mu.
func (c *conn) spend(what string) {
	if !c.useless.take(c.heard) {
		c.protocolError(http2.ErrCodeEnhanceYourCalm, "too many %s", what)
	}
}

// handle handles a frame. The caller holds mu.
func (c *conn) handle(f http2.Frame, first bool) {
	if settings, ok := f.(*http2.SettingsFrame); first && (!ok || settings.IsAck()) {
		c.protocolError(http2.ErrCodeProtocol, "the first frame is %v and not SETTINGS", f.Header().Type)
		return
	}
	switch f := f.(type) {
	case *http2.DataFrame:
		c.handleData(f)
	case *http2.MetaHeadersFrame:
		c.handleHead(f)
	case *http2.WindowUpdateFrame:
		c.handleWindowUpdate(f)
	case *http2.RSTStreamFrame:
		c.handleReset(f)
	case *http2.SettingsFrame:
		c.handleSettings(f)
	case *http2.PingFrame:
		c.spend("PINGs")
		if data := f.Data; !f.IsAck() {
			c.send(func(f *http2.Framer) error { return f.WritePing(true, data) })
		}
	case *http2.GoAwayFrame:
		c.handleGoAway(f)
	case *http2.PushPromiseFrame:
		c.protocolError(http2.ErrCodeProtocol, "PUSH_PROMISE, which was switched off")
	default: // PRIORITY, and types that are not known
		c.spend("frames without meaning")
	}
}

// handleData takes in DATA. All of it counts in the windows, padding too (RFC 9113,
// section 6.9.1). The caller holds mu.
func (c *conn) handleData(f *http2.DataFrame) {
	size := int64(f.Length)
	if size > c.recvWindow {
		c.protocolError(http2.ErrCodeFlowControl, "DATA beyond the window of the connection")
		return
	}
	c.recvWindow -= size
	if c.recvDebt += size; c.recvDebt >= connWindow/2 {
		debt := uint32(c.recvDebt)
		c.recvWindow += c.recvDebt
		c.recvDebt = 0
		c.send(func(f *http2.Framer) error { return f.WriteWindowUpdate(0, debt) })
	}
	s := c.streams[f.StreamID]
	switch {
	case s == nil && c.isIdle(f.StreamID):
		c.protocolError(http2.ErrCodeProtocol, "DATA for stream %d, which is idle", f.StreamID)
	case s == nil: // it may have been on its way when the stream was reset
	case s.recvErr != nil:
		c.streamError(s, s.id, http2.ErrCodeStreamClosed, "DATA behind the end")
	case s.resp == nil:
		c.streamError(s, s.id, http2.ErrCodeProtocol, "DATA before the answer")
	case size > s.recvWindow:
		c.streamError(s, s.id, http2.ErrCodeFlowControl, "DATA beyond the window of the stream")
	default:
		s.receive(f.Data(), size, f.StreamEnded())
	}
	if size == 0 && !f.StreamEnded() {
		c.spend("empty DATA frames")
	}
}

// receive takes in the data of a frame of the size given. The caller holds conn.mu.
func (s *stream) receive(data []byte, size int64, ended bool) {
	s.recvWindow -= size
	s.buf = append(s.buf, data...)
	if ended {
		s.receiveEnd()
	}
	if padding := size - int64(len(data)); padding > 0 {
		s.refund(padding)
	}
	s.readWake.set()
}

// receiveEnd takes in END_STREAM. The caller holds conn.mu.
func (s *stream) receiveEnd() {
	s.recvErr = io.EOF
	s.readWake.set()
	if s.sentEnd {
		s.c.drop(s)
	}
}

// maxInterims bounds the interim answers to one request.
const maxInterims = 10

// handleHead takes in the head of an answer, or trailers. The caller holds mu.
func (c *conn) handleHead(f *http2.MetaHeadersFrame) {
	s := c.streams[f.StreamID]
	if s == nil {
		if c.isIdle(f.StreamID) {
			c.protocolError(http2.ErrCodeProtocol, "HEADERS for stream %d, which is idle", f.StreamID)
		}
		c.spend("frames for closed streams")
		return
	}
	if err := c.takeHead(s, f); err != "" {
		c.streamError(s, s.id, http2.ErrCodeProtocol, err)
	}
}

// takeHead returns what is wrong with the head. The caller holds mu.
func (c *conn) takeHead(s *stream, f *http2.MetaHeadersFrame) string {
	switch {
	case s.recvErr != nil:
		return "HEADERS behind the end"
	case f.Truncated:
		return "the header is larger than Transport.MaxResponseHeader"
	case s.resp != nil: // trailers, which mean nothing here
		if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
			return "malformed trailers"
		}
		s.receiveEnd()
		return ""
	}
	status, err := strconv.ParseUint(f.PseudoValue("status"), 10, 16)
	if err != nil || status < 100 || status > 999 || len(f.PseudoFields()) != 1 || len(f.PseudoValue("status")) != 3 {
		return "no :status, or more"
	}
	if status < 200 {
		if s.interims++; f.StreamEnded() || s.interims > maxInterims || status == http.StatusSwitchingProtocols {
			return "an interim answer that cannot be"
		}
		return ""
	}
	resp := newResponse(int(status), c.nc)
	for _, field := range f.RegularFields() {
		if isConnectionField(field.Name) {
			return "header " + field.Name + " in the answer"
		}
		resp.Header.Add(field.Name, field.Value)
	}
	s.resp = resp
	s.readWake.set()
	if f.StreamEnded() {
		s.receiveEnd()
	}
	return ""
}

// newResponse is an answer without header.
func newResponse(status int, nc any) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%03d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: make(http.Header), ContentLength: -1,
	}
	if secured, ok := nc.(*tls.Conn); ok {
		state := secured.ConnectionState()
		resp.TLS = &state
	}
	return resp
}

// handleWindowUpdate takes in WINDOW_UPDATE. The Framer has refused those of zero.
// The caller holds mu.
func (c *conn) handleWindowUpdate(f *http2.WindowUpdateFrame) {
	if f.StreamID == 0 {
		if c.sendWindow += int64(f.Increment); c.sendWindow > maxWindow {
			c.protocolError(http2.ErrCodeFlowControl, "the window of the connection is too large")
			return
		}
		c.wakeBlocked()
		return
	}
	s := c.streams[f.StreamID]
	if s == nil {
		c.streamError(nil, f.StreamID, http2.ErrCodeProtocol, "")
		return
	}
	if s.sendWindow += int64(f.Increment); s.sendWindow > maxWindow {
		c.streamError(s, s.id, http2.ErrCodeFlowControl, "the window of the stream is too large")
		return
	}
	s.writeWake.set()
}

// handleReset takes in RST_STREAM. NO_ERROR behind the end of the answer says only
// that no more is wanted (RFC 9113, section 8.1). The caller holds mu.
func (c *conn) handleReset(f *http2.RSTStreamFrame) {
	s := c.streams[f.StreamID]
	if s == nil {
		c.spend("frames for closed streams")
		c.streamError(nil, f.StreamID, http2.ErrCodeProtocol, "")
		return
	}
	var err error = &ResetError{Code: uint32(f.ErrCode)}
	if f.ErrCode == http2.ErrCodeRefusedStream && s.resp == nil {
		err = fmt.Errorf("%w: %w", errNotProcessed, err)
	}
	s.end(err)
	c.drop(s)
}

// handleGoAway takes in GOAWAY: streams above its number were not processed, the
// others go on (RFC 9113, section 6.8). The caller holds mu.
func (c *conn) handleGoAway(f *http2.GoAwayFrame) {
	c.spend("GOAWAYs")
	c.goingAway = true
	away := &GoAwayError{Code: uint32(f.ErrCode)}
	for id, s := range c.streams {
		if id > f.LastStreamID {
			s.end(fmt.Errorf("%w: %w", errNotProcessed, away))
			delete(c.streams, id)
		}
	}
	c.settle()
}

// handleSettings takes in SETTINGS. The caller holds mu.
func (c *conn) handleSettings(f *http2.SettingsFrame) {
	c.spend("SETTINGS")
	if f.IsAck() {
		return
	}
	for i := range f.NumSettings() {
		if code, reason := c.set(f.Setting(i)); reason != "" {
			c.protocolError(code, "%s", reason)
			return
		}
	}
	c.send(func(f *http2.Framer) error { return f.WriteSettingsAck() })
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
}

// set takes in one setting, and says what is wrong with it. The caller holds mu.
func (c *conn) set(s http2.Setting) (code http2.ErrCode, reason string) {
	switch s.ID {
	case http2.SettingEnableConnectProtocol:
		// RFC 8441, section 3: it is 0 or 1, and not 0 once it was 1.
		if s.Val > 1 || s.Val == 0 && c.peer.extendedConnect {
			return http2.ErrCodeProtocol, fmt.Sprintf("SETTINGS_ENABLE_CONNECT_PROTOCOL is %d", s.Val)
		}
		c.peer.extendedConnect = s.Val == 1
	case http2.SettingMaxConcurrentStreams:
		c.peer.maxStreams = s.Val
	case http2.SettingInitialWindowSize:
		return c.setInitialWindow(s.Val)
	case http2.SettingMaxFrameSize:
		if s.Val < maxFrameSize || s.Val > 1<<24-1 {
			return http2.ErrCodeProtocol, fmt.Sprintf("SETTINGS_MAX_FRAME_SIZE is %d", s.Val)
		}
		c.peer.maxFrame = int64(s.Val)
	case http2.SettingMaxHeaderListSize:
		c.peer.maxHeader = uint64(s.Val)
	case http2.SettingHeaderTableSize:
		c.encoder.SetMaxDynamicTableSizeLimit(min(s.Val, 4096))
	}
	return 0, ""
}

// setInitialWindow changes the windows of all streams by as much as the setting
// changes; they may become negative (RFC 9113, section 6.9.2). The caller holds mu.
func (c *conn) setInitialWindow(size uint32) (code http2.ErrCode, reason string) {
	if size > maxWindow {
		return http2.ErrCodeFlowControl, fmt.Sprintf("SETTINGS_INITIAL_WINDOW_SIZE is %d", size)
	}
	change := int64(size) - c.peer.initialWindow
	c.peer.initialWindow = int64(size)
	for _, s := range c.streams {
		if s.sendWindow += change; s.sendWindow > maxWindow {
			return http2.ErrCodeFlowControl, "the window of a stream is too large"
		}
	}
	c.wakeBlocked()
	return 0, ""
}
