package native

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// A speaker is a client over one of the transports.
type speaker interface {
	// say sends a message of commands.
	say(b []byte)

	// hear returns the next message of the server; behind the last one the error, which
	// is io.EOF where the transport has no close code.
	hear() ([]byte, error)

	// hangUp breaks the connection.
	hangUp()
}

// A way is a transport with an encoding.
type way struct {
	name  string
	codec codec
	open  func(t *testing.T, base string, codec codec) speaker
}

// ways are all transports in all their encodings.
var ways = []way{
	{"websocket/json", jsonCodec{}, openWebSocket},
	{"websocket/protobuf", protobufCodec{}, openWebSocket},
	{"sse/json", jsonCodec{}, openEvents},
	{"stream/json", jsonCodec{}, openStream},
	{"stream/protobuf", protobufCodec{}, openStream},
	{"poll/json", jsonCodec{}, openPolls},
	{"poll/protobuf", protobufCodec{}, openPolls},
}

// canSay reports whether a client over w can begin with a message. Server-Sent Events
// begin with connect alone.
func (w way) canSay(first string) bool {
	return w.name != "sse/json" || json.Valid([]byte(first)) && strings.HasPrefix(first, `{"id":1,"connect":`)
}

// heardJSON returns a message of the server as JSON has it.
func (w way) heardJSON(t *testing.T, b []byte) any {
	t.Helper()
	if w.codec == (protobufCodec{}) {
		return protoJSON(t, b)
	}
	return jsonOf(t, b)
}

// A webSocketSpeaker speaks over a WebSocket.
type webSocketSpeaker struct {
	peer
	codec codec
}

func openWebSocket(t *testing.T, base string, codec codec) speaker {
	t.Helper()
	subprotocol := Subprotocol
	if codec == (protobufCodec{}) {
		subprotocol = SubprotocolProtobuf
	}
	return &webSocketSpeaker{dialAs(t, "ws"+strings.TrimPrefix(base, "http")+"/connection/websocket", subprotocol), codec}
}

func (s *webSocketSpeaker) say(b []byte) {
	s.t.Helper()
	if err := s.Write(s.t.Context(), s.codec.messageType(), b); err != nil {
		s.t.Fatalf("Write(%.100q) = %v", b, err)
	}
}

func (s *webSocketSpeaker) hear() ([]byte, error) {
	typ, b, err := s.Read(s.t.Context())
	if err == nil && typ != s.codec.messageType() {
		s.t.Fatalf("got a %v message", typ)
	}
	return b, err
}

func (s *webSocketSpeaker) hangUp() { s.CloseNow() }

// An httpSpeaker is what the transports over HTTP have in common.
type httpSpeaker struct {
	t       *testing.T
	base    string
	codec   codec
	client  *http.Client
	session string
}

func newHTTPSpeaker(t *testing.T, base string, codec codec) httpSpeaker {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return httpSpeaker{t: t, base: base, codec: codec, client: &http.Client{Transport: transport}}
}

// post returns the answer to a request in the encoding of s.
func (s *httpSpeaker) post(path string, body []byte, header ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.base+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaTypeOf(s.codec))
	if s.session != "" {
		r.Header.Set("Ropewalk-Session", s.session)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

func mediaTypeOf(codec codec) string {
	if codec == (protobufCodec{}) {
		return "application/x-protobuf"
	}
	return "application/json"
}

// command posts commands for a session that is read elsewhere.
func (s *httpSpeaker) command(b []byte) {
	s.t.Helper()
	resp := s.post("/connection/commands", b)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("POST of %.100q = %s %s", b, resp.Status, text)
	}
}

// learn takes the name of the session out of the reply to connect.
func (s *httpSpeaker) learn(b []byte) {
	if s.session != "" {
		return
	}
	var answer struct{ Connect struct{ Session string } }
	text, _ := json.Marshal(way{codec: s.codec}.heardJSON(s.t, b)) // came out of JSON
	if err := json.Unmarshal(text, &answer); err != nil {
		s.t.Fatal(err)
	}
	s.session = answer.Connect.Session
}

// A streamSpeaker reads one answer all along: Server-Sent Events or a stream.
type streamSpeaker struct {
	httpSpeaker
	open func(first []byte) *http.Response
	next func(*bufio.Reader) ([]byte, error) // nothing is a sign of life

	answer *http.Response // nil before the first message
	read   *bufio.Reader
}

func openEvents(t *testing.T, base string, codec codec) speaker {
	s := &streamSpeaker{httpSpeaker: newHTTPSpeaker(t, base, codec), next: readEvent}
	s.open = func(first []byte) *http.Response {
		var command struct {
			ID      uint64
			Connect map[string]json.RawMessage
		}
		if err := json.Unmarshal(first, &command); err != nil {
			t.Fatal(err)
		}
		var header []string
		if session, ok := command.Connect["session"]; ok {
			header = []string{"Ropewalk-Session", strings.Trim(string(session), `"`)}
			delete(command.Connect, "session")
		}
		body, err := json.Marshal(command.Connect)
		if err != nil {
			t.Fatal(err)
		}
		query := "?connect=" + url.QueryEscape(string(body))
		if command.ID != 1 {
			query += fmt.Sprint("&id=", command.ID)
		}
		return s.get("/connection/sse"+query, header...)
	}
	return s
}

func (s *httpSpeaker) get(path string, header ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

func openStream(t *testing.T, base string, codec codec) speaker {
	s := &streamSpeaker{httpSpeaker: newHTTPSpeaker(t, base, codec), next: readLine}
	if codec == (protobufCodec{}) {
		s.next = readPrefixed
	}
	s.open = func(first []byte) *http.Response { return s.post("/connection/stream", first) }
	return s
}

func (s *streamSpeaker) say(b []byte) {
	s.t.Helper()
	if s.answer != nil {
		s.command(b)
		return
	}
	s.answer = s.open(b)
	s.t.Cleanup(s.hangUp)
	want := map[bool]string{true: "application/x-protobuf", false: "application/x-ndjson"}[s.codec == (protobufCodec{})]
	if s.answer.Request.Method == http.MethodGet {
		want = "text/event-stream"
	}
	if got := s.answer.Header.Get("Content-Type"); s.answer.StatusCode != http.StatusOK || got != want {
		s.t.Fatalf("%s of %.100q = %s, %s", s.answer.Request.Method, b, s.answer.Status, got)
	}
	s.read = bufio.NewReader(s.answer.Body)
}

func (s *streamSpeaker) hear() ([]byte, error) {
	for {
		b, err := s.next(s.read)
		if err != nil {
			return nil, err
		}
		if len(b) > 0 {
			s.learn(b)
			return b, nil
		}
	}
}

func (s *streamSpeaker) hangUp() { s.answer.Body.Close() }

func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}

// readEvent reads one event that has data alone, or a comment.
func readEvent(r *bufio.Reader) ([]byte, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if end, err := readLine(r); err != nil || len(end) > 0 {
		return nil, fmt.Errorf("%q, %v behind %q, want the end of the event", end, err, line)
	}
	if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
		return data, nil
	}
	if string(line) != ":" {
		return nil, fmt.Errorf("an event has %q", line)
	}
	return nil, nil
}

func readPrefixed(r *bufio.Reader) ([]byte, error) {
	var prefix []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		prefix = append(prefix, c)
		if c < 0x80 {
			break
		}
	}
	n, _ := protowire.ConsumeVarint(prefix)
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// A pollSpeaker polls.
type pollSpeaker struct {
	httpSpeaker
	batch string   // that came last
	heard [][]byte // and what is left of it
}

func openPolls(t *testing.T, base string, codec codec) speaker {
	s := &pollSpeaker{httpSpeaker: newHTTPSpeaker(t, base, codec)}
	t.Cleanup(func() { go s.pollOn() }) // or the server's end would wait for a poll
	return s
}

// pollOn polls until the session has ended.
func (s *pollSpeaker) pollOn() {
	for status := http.StatusOK; status == http.StatusOK; {
		r, _ := http.NewRequest(http.MethodPost, s.base+"/connection/poll", nil)
		r.Header.Set("Content-Type", mediaTypeOf(s.codec))
		r.Header.Set("Ropewalk-Session", s.session)
		r.Header.Set("Ropewalk-Batch", s.batch)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		status, s.batch = resp.StatusCode, resp.Header.Get("Ropewalk-Batch")
	}
}

func (s *pollSpeaker) say(b []byte) {
	s.t.Helper()
	if s.session != "" {
		s.command(b)
		return
	}
	s.take(s.post("/connection/poll", b))
}

// take takes the batch of an answer.
func (s *pollSpeaker) take(resp *http.Response) {
	s.t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if got := resp.Header.Get("Content-Type"); err != nil || resp.StatusCode != http.StatusOK || got != mediaTypeOf(s.codec) {
		s.t.Fatalf("poll = %s, %s, %q, %v", resp.Status, got, b, err)
	}
	s.batch = resp.Header.Get("Ropewalk-Batch")
	s.heard = append(s.heard, split(s.t, s.codec, b)...)
	for _, b := range s.heard {
		s.learn(b)
	}
}

// split returns the messages of a batch.
func split(t *testing.T, codec codec, b []byte) (messages [][]byte) {
	t.Helper()
	if codec == (jsonCodec{}) {
		var all []json.RawMessage
		if err := json.Unmarshal(b, &all); err != nil {
			t.Fatalf("the batch %q: %v", b, err)
		}
		for _, m := range all {
			messages = append(messages, m)
		}
		return messages
	}
	for len(b) > 0 {
		m, n := protowire.ConsumeBytes(b)
		if n < 0 {
			t.Fatalf("the batch %x: %v", b, protowire.ParseError(n))
		}
		messages, b = append(messages, m), b[n:]
	}
	return messages
}

func (s *pollSpeaker) hear() ([]byte, error) {
	s.t.Helper()
	for len(s.heard) == 0 {
		if s.session == "" { // the answer to the first poll was the last
			return nil, io.EOF
		}
		resp := s.post("/connection/poll", nil, "Ropewalk-Batch", s.batch)
		if resp.StatusCode == http.StatusNotFound {
			resp.Body.Close()
			return nil, io.EOF
		}
		s.take(resp)
	}
	b := s.heard[0]
	s.heard = s.heard[1:]
	return b, nil
}

func (s *pollSpeaker) hangUp() {} // nobody polls any more
