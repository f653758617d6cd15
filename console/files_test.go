package console_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"testing"

	"github.com/seed-15847954/ropewalk/console"
)

// Every file of the page but the client is served as it stands, and nothing beside them.
func TestFiles(t *testing.T) {
	files, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return f.Name() == "ropewalk.js" })
	if len(files) != len(console.Paths()) {
		t.Errorf("the page has %d files, %v are served", len(files), console.Paths())
	}
	for _, file := range files {
		want, err := os.ReadFile(path.Join("page", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		from := "/console/" + file.Name()
		if file.Name() == "index.html" {
			from = "/"
		}
		if got := get(from).Body.String(); got != string(want) {
			t.Errorf("GET %s = %d bytes, want the %d of %s", from, len(got), len(want), file.Name())
		}
	}
	for _, path := range []string{"/index.html", "/console/index.html", "/page/app.js", "/console/../console.go", "/console/app.js/", "/x"} {
		if w := get(path); w.Code == http.StatusOK {
			t.Errorf("GET %s = 200, want no such file", path)
		}
	}
}

// The policy is on answers without a body as well.
func TestHead(t *testing.T) {
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
	if w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("HEAD / = %d, %d bytes, %v, want 200, the headers alone", w.Code, w.Body.Len(), w.Header())
	}
}

// The scripts speak with their own server alone, through the client, at the page's
// own address.
func TestScriptStaysHome(t *testing.T) {
	for _, wrong := range []string{
		`(?:https?|wss?)://`,
		`['"]//`,
		`\b(?:fetch|XMLHttpRequest|EventSource|sendBeacon|importScripts|localStorage|sessionStorage|cookie)\b`,
		`\bimport\b[^"]*"(?:[^./]|/[^r])`,
		`\bimport\(`,
	} {
		if found := regexp.MustCompile(wrong).FindString(scripts()); found != "" {
			t.Errorf("the scripts have %q", found)
		}
	}
}
