package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/api"
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

// The examples of the document happen as they are written.
func TestDocumentExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```conversation\n(.*?)```").FindAllStringSubmatch(readDocument(t), -1)
	if len(blocks) < 8 {
		t.Fatalf("%s has %d conversations, want at least 8", document, len(blocks))
	}
	for i, block := range blocks {
		t.Run(fmt.Sprint(i), func(t *testing.T) { replay(t, strings.Split(strings.TrimSpace(block[1]), "\n")) })
	}
}

// replay plays the lines of one conversation with a server of its own.
func replay(t *testing.T, lines []string) {
	b := newBackEnd(t, Config{})
	p := dial(t, b.listen(t))
	drained := make(chan error, 1)
	drains := false
	for _, line := range lines {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case ">":
			p.send(rest)
		case "<":
			checkMessage(t, p.receive(), rest)
		case "api":
			post(t, b, rest)
		case "shutdown":
			drains = true
			go func() { drained <- b.Sessions.Drain(t.Context()) }()
		case "close":
			checkClose(t, p, rest)
		default:
			t.Fatalf("the example has a line of an unknown kind: %s", line)
		}
	}
	if drains {
		if err := <-drained; err != nil {
			t.Errorf("Drain = %v", err)
		}
	}
}

func checkClose(t *testing.T, p peer, want string) {
	t.Helper()
	_, _, err := p.Read(t.Context())
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		t.Fatalf("Read = %v, want close %s", err, want)
	}
	if got := fmt.Sprintf("%d %s", closed.Code, closed.Reason); got != want {
		t.Errorf("closed with %q, the document has %q", got, want)
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

// varying are the members whose values differ from run to run.
var varying = map[string]bool{"session": true, "epoch": true, "time": true, "after": true}

// checkMessage compares two messages: member by member in the same order, and
// varying values by their kind.
func checkMessage(t *testing.T, got, want string) {
	t.Helper()
	if g, w := fixed(t, got), fixed(t, want); !reflect.DeepEqual(g, w) {
		t.Errorf("the server sent %s\nthe document has %s", got, want)
	}
}

// fixed returns the tokens of a message with the varying ones replaced by their kind.
func fixed(t *testing.T, text string) []any {
	t.Helper()
	d := json.NewDecoder(bytes.NewBufferString(text))
	var tokens []any
	vary := false
	for d.More() || len(tokens) > 0 {
		token, err := d.Token()
		if err != nil {
			break
		}
		if vary {
			token = reflect.TypeOf(token).String()
		}
		name, isString := token.(string)
		vary = !vary && isString && varying[name]
		tokens = append(tokens, token)
	}
	if !json.Valid([]byte(text)) {
		t.Errorf("not JSON: %s", text)
	}
	return tokens
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
