package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/hub"
)

const document = "../docs/reference/api.md"

func readDocument(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// methodNames returns the names of all methods of the service, as under /api.
func methodNames() []string {
	var names []string
	methods := apipb.File_api_proto.Services().ByName("Api").Methods()
	for i := range methods.Len() {
		name := regexp.MustCompile(`(.)([A-Z])`).ReplaceAllString(string(methods.Get(i).Name()), "${1}_${2}")
		names = append(names, strings.ToLower(name))
	}
	return names
}

// Each call of the document is answered as it is written there.
func TestDocumentExamples(t *testing.T) {
	b := newBackEnd()
	for _, m := range []hub.Member{{Client: client, User: "ada", Info: []byte(`{"name":"Ada"}`)}, {Client: other, User: "ada"}} {
		if err := b.hub.Enter(t.Context(), "news", m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.hub.Subscribe(t.Context(), "room.1", new(recorder)); err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)^\$ curl (.*)\n(.*)$`).FindAllStringSubmatch(readDocument(t), -1)
	called := make(map[string]bool)
	for _, e := range examples {
		r := curl(t, e[1])
		called[strings.TrimPrefix(r.URL.Path, "/api/")] = true
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if got, want := fixed(t, w.Body.String()), fixed(t, e[2]); !reflect.DeepEqual(got, want) {
			t.Errorf("curl %s\n%sthe document has\n%s", e[1], w.Body, e[2])
		}
	}
	for _, name := range methodNames() {
		if !called[name] {
			t.Errorf("%s has no example of %s", document, name)
		}
	}
	for name, did := range map[string][]string{
		client: {`send  {"alert":"your table is ready"}`, "disconnect signed out"}, other: {"disconnect signed out"},
	} {
		if c := b.clients.Client(name).(*fakeClient); !slices.Equal(c.did, did) {
			t.Errorf("client %s: %q, want %q", name, c.did, did)
		}
	}
}

// curl returns the request that a command line of curl makes.
func curl(t *testing.T, line string) *http.Request {
	t.Helper()
	var method, body, address string
	header := make(http.Header)
	words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1)
	for i := 0; i < len(words); i++ {
		word := func() string { i++; return strings.Trim(words[i], "'") }
		switch words[i] {
		case "-H":
			name, value, _ := strings.Cut(word(), ": ")
			header.Set(name, value)
		case "-d":
			method, body = http.MethodPost, word()
		default:
			address = words[i]
		}
	}
	if !strings.HasPrefix(address, "http://127.0.0.1:8000/") {
		t.Fatalf("curl %s: no address of the server", line)
	}
	r := httptest.NewRequest(method, address, strings.NewReader(body))
	r.Header = header
	return r
}

// fixed decodes JSON, with one value for all that differ from run to run.
func fixed(t *testing.T, text string) any {
	t.Helper()
	text = regexp.MustCompile(`"(time|uptime)":\d+`).ReplaceAllString(text, `"$1":1`)
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	return v
}

// The table of reasons is that of the program.
func TestDocumentReasons(t *testing.T) {
	text := readDocument(t)
	for _, r := range api.Reasons {
		retry := map[bool]string{true: "yes", false: "no"}[r.Retry]
		line := fmt.Sprintf("| `%s` | `%s` | %d | %s | %s |\n", r.Reason, r.Code, r.Status, retry, r.Meaning)
		if !strings.Contains(text, line) {
			t.Errorf("%s lacks the line\n%s", document, line)
		}
	}
	if got := len(regexp.MustCompile("(?m)^\\| `[a-z_]+` \\| `[a-z_]+` \\| \\d").FindAllString(text, -1)); got != len(api.Reasons) {
		t.Errorf("%s has %d reasons, want %d", document, got, len(api.Reasons))
	}
}

// The OpenAPI document is made from the present api.proto, has every method, and is served.
func TestOpenAPI(t *testing.T) {
	source, err := os.ReadFile("apipb/api.proto")
	if err != nil {
		t.Fatal(err)
	}
	b := newBackEnd()
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/openapi.json", nil))
	var got struct {
		OpenAPI string `json:"openapi"`
		Sum     string `json:"x-proto-sha256"`
		Paths   map[string]struct {
			Post struct {
				Summary     string
				RequestBody map[string]any
				Responses   map[string]any
			}
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.OpenAPI != "3.1.0" {
		t.Fatalf("GET /api/openapi.json = %d, %v, version %q", w.Code, err, got.OpenAPI)
	}
	if sum := sha256.Sum256(source); got.Sum != hex.EncodeToString(sum[:]) {
		t.Errorf("apipb/openapi.json and the generated code are not of the present api.proto: run go generate ./api/apipb")
	}
	names := methodNames()
	for _, name := range names {
		call := got.Paths["/api/"+name].Post
		if call.Summary == "" || call.RequestBody == nil || call.Responses["200"] == nil || call.Responses["default"] == nil {
			t.Errorf("openapi.json has %+v for %s", call, name)
		}
	}
	if len(got.Paths) != len(names) {
		t.Errorf("openapi.json has %d methods, want %d", len(got.Paths), len(names))
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/(\w+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		if len(got.Components.Schemas[ref[1]].Properties) == 0 && ref[1] != "InfoRequest" {
			t.Errorf("openapi.json has no schema of %s", ref[1])
		}
	}
}

// Every method of the definition is served as plain JSON, and nothing else is.
func TestMethods(t *testing.T) {
	b := newBackEnd()
	for _, name := range append(methodNames(), "nonsense", "Publish", "publish/", "") {
		r := request(http.MethodPost, `{"nonsense":1}`)
		r.URL.Path = "/api/" + name
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		want := "bad_request"
		if !slices.Contains(methodNames(), name) {
			want = "no_method"
		}
		if !strings.Contains(w.Body.String(), `"reason":"`+want+`"`) {
			t.Errorf("POST /api/%s = %d %s, want %s", name, w.Code, w.Body, want)
		}
	}
}
