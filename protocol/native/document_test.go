package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

const document = "../../docs/reference/protocol.md"

func readDocument(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The examples of the document happen as they are written, over all
// transports in all their encodings, and send every command. Those that are about JSON itself are marked.
func TestDocumentExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```conversation( json)?\n(.*?)```").FindAllStringSubmatch(readDocument(t), -1)
	if len(blocks) < 15 {
		t.Fatalf("%s has %d conversations, want at least 15", document, len(blocks))
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			played := make(map[string]bool)
			for i, block := range blocks {
				lines := strings.Split(strings.TrimSpace(block[2]), "\n")
				if block[1] != "" && w.codec != (jsonCodec{}) || !slices.ContainsFunc(lines, w.begins) {
					continue
				}
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					newReplay(t, w).play(lines)
				})
				for _, name := range allCommands {
					if strings.Contains(block[2], `,"`+name+`":`) {
						played[name] = true
					}
				}
			}
			for _, name := range allCommands {
				if !played[name] {
					t.Errorf("no example sends %s", name)
				}
			}
		})
	}
}

// begins reports whether line is the first of a conversation that a client over w can have.
func (w way) begins(line string) bool {
	first, ok := strings.CutPrefix(line, "> ")
	return ok && w.canSay(first)
}

// A replay plays one conversation with a server of its own.
type replay struct {
	t       *testing.T
	b       *backEnd
	url     string
	way     way
	peers   map[string]speaker
	drained chan error // gets the error of a drain; nil while there is none

	// really is what stands for the varying values of the document.
	really map[string]string
}

func newReplay(t *testing.T, w way) *replay {
	t.Helper()
	lobby := &session.Lobby{Time: 10 * time.Second}
	t.Cleanup(lobby.Close)
	full := hub.Options{History: 100, HistoryTime: time.Minute, Dedup: time.Minute, Presence: true, Joins: true}
	b := newBackEnd(t, Config{
		Hub: hub.New(memory.New(memory.Config{}), hub.Config{
			Default: full, Namespaces: []hub.Namespace{{Pattern: "live.*"}},
		}),
		Node:  "n1",
		Lobby: lobby,
		RPC: map[string]Method{"echo": func(_ context.Context, c Call) ([]byte, string, error) {
			return c.Data, c.ContentType, nil
		}},
	})
	return &replay{t: t, b: b, url: b.serveRoutes(t), way: w, peers: make(map[string]speaker), really: make(map[string]string)}
}

func (r *replay) play(lines []string) {
	r.t.Helper()
	for _, line := range lines {
		verb, rest, _ := strings.Cut(line, " ")
		who, isSent := strings.CutSuffix(verb, ">")
		from, isReceived := strings.CutSuffix(verb, "<")
		switch {
		case isSent:
			r.send(r.peer(who), rest)
		case isReceived:
			r.receive(r.peer(from), rest)
		case verb == "api":
			post(r.t, r.b, rest)
		case verb == "cut":
			r.peer("").hangUp()
			delete(r.peers, "")
		case verb == "shutdown":
			r.drained = make(chan error, 1)
			go func() { r.drained <- r.b.Sessions.Drain(r.t.Context()) }()
		case verb == "close":
			r.checkClose(r.peer(""), rest)
		default:
			r.t.Fatalf("the example has a line of an unknown kind: %s", line)
		}
	}
	if r.drained != nil {
		if err := <-r.drained; err != nil {
			r.t.Errorf("Drain = %v", err)
		}
	}
}

// peer returns the client of that name, which connects if it is not there.
func (r *replay) peer(name string) speaker {
	r.t.Helper()
	p, ok := r.peers[name]
	if !ok {
		p = r.way.open(r.t, r.url, r.way.codec)
		r.peers[name] = p
	}
	return p
}

func (r *replay) send(p speaker, text string) {
	r.t.Helper()
	for example, value := range r.really {
		text = strings.ReplaceAll(text, example, value)
	}
	if r.way.codec == (jsonCodec{}) {
		p.say([]byte(text))
		return
	}
	commands, err := jsonCodec{}.decode([]byte(text), r.b.MaxData)
	if err != nil {
		r.t.Fatalf("decode(%s) = %v", text, err)
	}
	p.say(marshalCommands(r.t, commands...))
}

func (r *replay) receive(p speaker, want string) {
	r.t.Helper()
	b, err := p.hear()
	if err != nil {
		r.t.Fatalf("heard %v, want %s", err, want)
	}
	if r.way.codec == (jsonCodec{}) {
		checkOrder(r.t, string(b), want)
	}
	got := r.way.heardJSON(r.t, b)
	wanted := jsonOf(r.t, []byte(want))
	if !r.same(got, wanted, "") {
		r.t.Errorf("the server sent %s\nthe document has %s\nor %v and %v", b, want, got, wanted)
	}
}

// varying are the members whose values differ from run to run.
var varying = []string{"session", "epoch", "time", "after", "client"}

// same compares what a message holds with the document, and notes what the varying
// values really are.
func (r *replay) same(got, want any, name string) bool {
	if list, ok := want.([]any); ok {
		all, ok := got.([]any)
		if !ok || len(all) != len(list) {
			return false
		}
		for i := range list {
			if !r.same(all[i], list[i], name) {
				return false
			}
		}
		return true
	}
	if members, ok := want.(map[string]any); ok {
		all, ok := got.(map[string]any)
		if !ok || len(all) != len(members) {
			return false
		}
		for name := range members {
			if !r.same(all[name], members[name], name) {
				return false
			}
		}
		return true
	}
	if !slices.Contains(varying, name) {
		return reflect.DeepEqual(got, want)
	}
	example, isText := want.(string)
	value, ok := got.(string)
	if !isText {
		return reflect.TypeOf(got) == reflect.TypeOf(want)
	}
	if known, seen := r.really[example]; seen && known != value {
		return false
	}
	r.really[example] = value
	return ok
}

// checkOrder checks that members come in the order of the document, as people read them.
func checkOrder(t *testing.T, got, want string) {
	t.Helper()
	if g, w := names(t, got), names(t, want); !slices.Equal(g, w) {
		t.Errorf("the server sent %s\nthe document has %s\nthe members are %v and %v", got, want, g, w)
	}
}

// names returns the members of a message in their order.
func names(t *testing.T, text string) (found []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	var objects []bool // whether what is open is an object
	isName := false
	for {
		token, err := d.Token()
		if err != nil {
			return found
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				objects = append(objects, token == '{')
			} else {
				objects = objects[:len(objects)-1]
			}
			isName = len(objects) > 0 && objects[len(objects)-1]
			continue
		case string:
			if isName {
				found = append(found, token)
			}
		}
		isName = !isName && len(objects) > 0 && objects[len(objects)-1]
	}
}

// checkClose checks how the connection ends. Over HTTP the last message has said why.
func (r *replay) checkClose(p speaker, want string) {
	r.t.Helper()
	_, err := p.hear()
	if strings.HasPrefix(r.way.name, "websocket/") {
		var closed *websocket.CloseError
		if !errors.As(err, &closed) {
			r.t.Fatalf("heard %v, want close %s", err, want)
		}
		if got := fmt.Sprintf("%d %s", closed.Code, closed.Reason); got != want {
			r.t.Errorf("closed with %q, the document has %q", got, want)
		}
		return
	}
	if !errors.Is(err, io.EOF) {
		r.t.Errorf("heard %v, want the end", err)
	}
}

// post publishes as a back end does.
func post(t *testing.T, b *backEnd, body string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/publish", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.New(api.Config{Hub: b.Hub, MaxData: b.MaxData}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("POST /api/publish %s = %d %s", body, w.Code, w.Body)
	}
}

// The tables of codes in the document are those of the registry.
func TestDocumentCodes(t *testing.T) {
	text := readDocument(t)
	yes := map[bool]string{true: "yes", false: "no"}
	var rows []string
	for _, e := range ErrorCodes {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", e.Code, yes[e.Retry], e.Meaning))
	}
	checkTable(t, text, "| code | retry | meaning |", rows)
	rows = nil
	for _, d := range Disconnects {
		rows = append(rows, fmt.Sprintf("| %d | %s | %s | %s |", d.Code, yes[d.Retry], d.Reason, d.Meaning))
		if d.Code >= 4000 && d.Retry != (d.Code < 4100) {
			t.Errorf("%d: retry = %v, which its range does not say", d.Code, d.Retry)
		}
	}
	checkTable(t, text, "| code | retry | reason | meaning |", rows)
}

// checkTable compares the rows of the table with that head.
func checkTable(t *testing.T, text, head string, want []string) {
	t.Helper()
	_, table, ok := strings.Cut(text, head+"\n")
	if !ok {
		t.Fatalf("%s has no table %s", document, head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	got := strings.Split(strings.TrimSpace(table), "\n")[1:]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s has\n%s\nthe registry has\n%s", document, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// allCommands are the names of the commands.
var allCommands = []string{connect, subscribe, unsubscribe, publish, history, presence, presenceCount, rpc, refresh, ping}
