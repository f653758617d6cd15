package wsh2_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"golang.org/x/net/http2"
)

// A violation is what a server does wrong, and how the client ends it.
type violation struct {
	name string
	do   func(p *peer)
	want http2.ErrCode
}

// raw sends a frame of any kind.
func raw(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) func(*peer) {
	return func(p *peer) { p.WriteRawFrame(kind, flags, stream, []byte(payload)) }
}

// repeat does something often, as far as the client takes it.
func repeat(n int, do func(*peer)) func(*peer) {
	return func(p *peer) {
		for range n {
			do(p)
		}
	}
}

func head(lines ...string) func(*peer) { return func(p *peer) { p.head(1, false, lines...) } }

func settings(id http2.SettingID, value uint32) func(*peer) {
	return func(p *peer) { p.WriteSettings(http2.Setting{ID: id, Val: value}) }
}

// all does one thing after another.
func all(steps ...func(*peer)) func(*peer) {
	return func(p *peer) {
		for _, step := range steps {
			step(p)
		}
	}
}

const (
	end        = http2.FlagDataEndStream
	endHeaders = http2.FlagHeadersEndHeaders
)

// connViolations end the connection. Stream 1 is an open tunnel.
var connViolations = []violation{
	{"DATA on stream 0", raw(http2.FrameData, 0, 0, "x"), http2.ErrCodeProtocol},
	{"DATA on an idle stream", raw(http2.FrameData, 0, 3, "x"), http2.ErrCodeProtocol},
	{"DATA on a stream of the server", raw(http2.FrameData, 0, 2, "x"), http2.ErrCodeProtocol},
	{"DATA padded beyond its length", raw(http2.FrameData, http2.FlagDataPadded, 1, "\x05x"), http2.ErrCodeProtocol},
	{"HEADERS on an idle stream", func(p *peer) { p.head(3, false, ":status: 200") }, http2.ErrCodeProtocol},
	{"HEADERS on a stream of the server", func(p *peer) { p.head(2, false, ":status: 200") }, http2.ErrCodeProtocol},
	{"HEADERS that are no HPACK", raw(http2.FrameHeaders, endHeaders, 1, "\xff\xff\xff\xff\xff"), http2.ErrCodeCompression},
	{"HEADERS that are not continued", all(raw(http2.FrameHeaders, 0, 1, "\x88"), raw(http2.FramePing, 0, 0, "12345678")), http2.ErrCodeProtocol},
	{"CONTINUATION of nothing", raw(http2.FrameContinuation, endHeaders, 1, "\x88"), http2.ErrCodeProtocol},
	{"CONTINUATION without end", all(raw(http2.FrameHeaders, 0, 1, "\x88"), repeat(20000, func(p *peer) {
		p.WriteRawFrame(http2.FrameContinuation, 0, 1, []byte("\x00\x01a\x01"+strings.Repeat("b", 1)))
	})), http2.ErrCodeProtocol},
	{"PUSH_PROMISE", raw(http2.FramePushPromise, endHeaders, 1, "\x00\x00\x00\x02\x82"), http2.ErrCodeProtocol},
	{"RST_STREAM on an idle stream", func(p *peer) { p.WriteRSTStream(5, http2.ErrCodeCancel) }, http2.ErrCodeProtocol},
	{"RST_STREAM too short", raw(http2.FrameRSTStream, 0, 1, "\x00"), http2.ErrCodeFrameSize},
	{"PING too short", raw(http2.FramePing, 0, 0, "1"), http2.ErrCodeFrameSize},
	{"PING on a stream", raw(http2.FramePing, 0, 1, "12345678"), http2.ErrCodeProtocol},
	{"PINGs without end", repeat(5000, raw(http2.FramePing, 0, 0, "12345678")), http2.ErrCodeEnhanceYourCalm},
	{"SETTINGS too short", raw(http2.FrameSettings, 0, 0, "1"), http2.ErrCodeFrameSize},
	{"SETTINGS on a stream", raw(http2.FrameSettings, 0, 1, ""), http2.ErrCodeProtocol},
	{"SETTINGS ack with a payload", raw(http2.FrameSettings, http2.FlagSettingsAck, 0, "123456"), http2.ErrCodeFrameSize},
	{"SETTINGS without end", repeat(5000, raw(http2.FrameSettings, 0, 0, "")), http2.ErrCodeEnhanceYourCalm},
	{"INITIAL_WINDOW_SIZE too large", settings(http2.SettingInitialWindowSize, 1<<31), http2.ErrCodeFlowControl},
	{"MAX_FRAME_SIZE too small", settings(http2.SettingMaxFrameSize, 1<<14-1), http2.ErrCodeProtocol},
	{"MAX_FRAME_SIZE too large", settings(http2.SettingMaxFrameSize, 1<<24), http2.ErrCodeProtocol},
	{"WINDOW_UPDATE of 0", raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00"), http2.ErrCodeProtocol},
	{"WINDOW_UPDATE too large", func(p *peer) { p.WriteWindowUpdate(0, 1<<31-1) }, http2.ErrCodeFlowControl},
	{"WINDOW_UPDATE on an idle stream", func(p *peer) { p.WriteWindowUpdate(7, 1) }, http2.ErrCodeProtocol},
	{"WINDOW_UPDATE too short", raw(http2.FrameWindowUpdate, 0, 1, "1"), http2.ErrCodeFrameSize},
	{"GOAWAY on a stream", raw(http2.FrameGoAway, 0, 1, "12345678"), http2.ErrCodeProtocol},
	{"GOAWAY too short", raw(http2.FrameGoAway, 0, 0, "1"), http2.ErrCodeFrameSize},
	{"a frame that is too large", raw(http2.FrameData, 0, 1, strings.Repeat("x", 16<<10+1)), http2.ErrCodeFrameSize},
	{"frames without meaning, without end", repeat(5000, raw(0xee, 0, 1, "?")), http2.ErrCodeEnhanceYourCalm},
	{"empty DATA without end", repeat(5000, raw(http2.FrameData, 0, 1, "")), http2.ErrCodeEnhanceYourCalm},
}

// RFC 9113, section 5.4.1: the client ends the connection with GOAWAY and the code,
// and the stream fails. It neither hangs nor panics.
func TestConnectionErrors(t *testing.T) {
	checkLeaks(t)
	for _, v := range connViolations {
		t.Run(v.name, func(t *testing.T) {
			p, stream := newRude(t).tunnel(transport(t, nil))
			go v.do(p)
			if code := p.goAway(); code != v.want {
				t.Errorf("GOAWAY with %v, want %v", code, v.want)
			}
			_, err := io.ReadAll(stream)
			var wrong *wsh2.ProtocolError
			if !errors.As(err, &wrong) || http2.ErrCode(wrong.Code) != v.want {
				t.Errorf("Read() = %v, want a *ProtocolError with %v", err, v.want)
			}
			if _, err := stream.Write([]byte("x")); err == nil {
				t.Error("Write() = nil, want an error")
			}
		})
	}
}

// Before its SETTINGS a server sends nothing else.
func TestFirstFrame(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	done := connectTo(t.Context(), transport(t, nil), r.Addr().String())
	p := r.accept()
	p.must(p.WritePing(false, [8]byte{}))
	if code := p.goAway(); code != http2.ErrCodeProtocol {
		t.Errorf("GOAWAY with %v, want PROTOCOL_ERROR", code)
	}
	if got := <-done; got.err == nil {
		t.Error("Connect() = nil, want an error")
	}
}

// streamViolations reset stream 1, a request without an answer.
var streamViolations = []violation{
	{"no :status", head("x: y"), http2.ErrCodeProtocol},
	{":status of two digits", head(":status: 20"), http2.ErrCodeProtocol},
	{":status of letters", head(":status: 2oo"), http2.ErrCodeProtocol},
	{":status with a sign", head(":status: +20"), http2.ErrCodeProtocol},
	{":status twice", head(":status: 200", ":status: 200"), http2.ErrCodeProtocol},
	{"pseudo-fields of a request", head(":method: GET"), http2.ErrCodeProtocol},
	{"pseudo-field behind a field", head("a: b", ":status: 200"), http2.ErrCodeProtocol},
	{"upper case", head(":status: 200", "A: b"), http2.ErrCodeProtocol},
	{"101", head(":status: 101"), http2.ErrCodeProtocol},
	{"connection", head(":status: 200", "connection: upgrade"), http2.ErrCodeProtocol},
	{"upgrade", head(":status: 200", "upgrade: websocket"), http2.ErrCodeProtocol},
	{"transfer-encoding", head(":status: 200", "transfer-encoding: chunked"), http2.ErrCodeProtocol},
	{"a header that is too large", head(append([]string{":status: 200"}, slices.Repeat([]string{"a: " + strings.Repeat("b", 1000)}, 6)...)...), http2.ErrCodeProtocol},
	{"interim answers without end", repeat(20, func(p *peer) { p.head(1, false, ":status: 103") }), http2.ErrCodeProtocol},
	{"an interim answer that ends", func(p *peer) { p.head(1, true, ":status: 103") }, http2.ErrCodeProtocol},
	{"DATA before the answer", raw(http2.FrameData, 0, 1, "x"), http2.ErrCodeProtocol},
	{"WINDOW_UPDATE of 0", raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x00"), http2.ErrCodeProtocol},
	{"WINDOW_UPDATE too large", func(p *peer) { p.WriteWindowUpdate(1, 1<<31-1) }, http2.ErrCodeFlowControl},
	{"DATA behind the end", all(func(p *peer) { p.head(1, true, ":status: 200") }, raw(http2.FrameData, 0, 1, "x")), http2.ErrCodeStreamClosed},
	{"trailers that do not end", all(head(":status: 200"), head("a: b")), http2.ErrCodeProtocol},
	{"trailers with :status", all(head(":status: 200"), func(p *peer) { p.head(1, true, ":status: 200") }), http2.ErrCodeProtocol},
	{"HEADERS behind the end", all(func(p *peer) { p.head(1, true, ":status: 200") }, head("a: b")), http2.ErrCodeProtocol},
	{"DATA beyond the stream's window", all(head(":status: 200"), repeat(5, raw(http2.FrameData, 0, 1, strings.Repeat("x", 16<<10)))), http2.ErrCodeFlowControl},
}

// RFC 9113, section 5.4.2: the client resets the stream with the code. The
// connection and its other streams live on.
//
// Checks 8441-12.
func TestStreamErrors(t *testing.T) {
	checkLeaks(t)
	for _, v := range streamViolations {
		t.Run(v.name, func(t *testing.T) {
			r := newRude(t)
			tr := transport(t, nil)
			tr.StreamWindow, tr.MaxResponseHeader = 64<<10, 5000
			done := connectTo(t.Context(), tr, r.Addr().String())
			p := r.accept()
			p.request(offer)
			v.do(p)
			got := <-done
			if reset, ok := p.next().(*http2.RSTStreamFrame); !ok || reset.StreamID != 1 || reset.ErrCode != v.want {
				t.Errorf("the client sends %v, want RST_STREAM with %v", reset, v.want)
			}
			if got.stream != nil {
				if _, err := got.stream.Write([]byte("x")); err == nil {
					t.Error("Write() = nil, want an error")
				}
				got.stream.Close()
			} else if got.err == nil {
				t.Errorf("Connect() = %v, want an error", got.resp)
			}
			done = connectTo(t.Context(), tr, r.Addr().String())
			if f := p.nextRequest(); f.StreamID != 3 {
				t.Errorf("the next request is on stream %d, want 3", f.StreamID)
			}
			p.head(3, false, ":status: 200")
			if got := <-done; got.err != nil {
				t.Error(got.err)
			}
		})
	}
}

// What is no violation: frames that are not known, PRIORITY, interim answers,
// trailers, padding, a header in many pieces.
func TestTolerated(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	done := connectTo(t.Context(), tr, r.Addr().String())
	p := r.accept()
	p.request(offer, http2.Setting{ID: 0xeeee, Val: 7})
	raw(0xee, 0xff, 1, "?")(p)
	raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x10")(p)
	p.head(1, false, ":status: 100")
	p.head(1, false, ":status: 103", "link: x")
	block := p.fields([]string{":status: 200", "a: " + strings.Repeat("b", 30000)})
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:1]}))
	p.must(p.WriteContinuation(1, false, block[1:16000]))
	p.must(p.WriteContinuation(1, true, block[16000:]))
	got := <-done
	if got.err != nil || len(got.resp.Header.Get("A")) != 30000 {
		t.Fatalf("Connect() = %v, %v", got.resp, got.err)
	}
	p.must(p.WriteDataPadded(1, false, []byte("hel"), make([]byte, 200)))
	p.must(p.WriteDataPadded(1, false, []byte("lo"), nil))
	p.head(1, true, "trailer: x")
	if text, err := io.ReadAll(got.stream); string(text) != "hello" || err != nil {
		t.Errorf("ReadAll() = %q, %v", text, err)
	}
	got.stream.Close()
	if f := p.next().(*http2.DataFrame); !f.StreamEnded() {
		t.Errorf("next frame = %v, want END_STREAM", f)
	}
}
