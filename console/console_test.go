package console_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// The page and every file it names are served, under a policy that lets in nothing
// else.
func TestPage(t *testing.T) {
	page := get("/")
	body := page.Body.String()
	paths := []string{"/"}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if m[1] != "data:," {
			paths = append(paths, m[1])
		}
	}
	client := slices.Index(paths, "/ropewalk.js") // which is not the page's alone
	if client < 0 {
		t.Fatalf("the page names %v, want the client among them", paths)
	}
	paths = slices.Delete(paths, client, client+1)
	if len(paths) != len(console.Paths()) {
		t.Errorf("the page names %v, want the paths %v", paths, console.Paths())
	}
	for _, path := range paths {
		w := get(path)
		if w.Code != http.StatusOK || w.Body.Len() < 500 {
			t.Errorf("GET %s = %d, %d bytes, want 200 and a file", path, w.Code, w.Body.Len())
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("GET %s: policy %q lacks %q", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: headers are %v", path, w.Header())
		}
	}
	if w := get("/console/"); w.Code != http.StatusNotFound {
		t.Errorf("GET /console/ = %d, want 404", w.Code)
	}
}

// Pages of every origin may load the client, and need not load it twice.
func TestClient(t *testing.T) {
	w := httptest.NewRecorder()
	console.Client().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ropewalk.js", nil))
	h := w.Header()
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Ropewalk") || !strings.HasPrefix(h.Get("Content-Type"), "text/javascript") {
		t.Errorf("GET = %d, %s, %d bytes", w.Code, h.Get("Content-Type"), w.Body.Len())
	}
	if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("headers are %v, want that every page may load it", h)
	}
	r := httptest.NewRequest(http.MethodGet, "/ropewalk.js", nil)
	r.Header.Set("If-None-Match", h.Get("ETag"))
	w = httptest.NewRecorder()
	console.Client().ServeHTTP(w, r)
	if w.Code != http.StatusNotModified {
		t.Errorf("GET once more = %d, want 304", w.Code)
	}
}

// scripts returns the page's own scripts.
func scripts() string {
	var all strings.Builder
	for _, name := range []string{"app", "log", "presence"} {
		all.WriteString(get("/console/" + name + ".js").Body.String())
	}
	return all.String()
}

// The policy forbids scripts and styles in the HTML, and nothing comes from
// elsewhere. What a peer sends goes into the page as text alone.
func TestPageIsPlain(t *testing.T) {
	html, script, style := get("/").Body.String(), scripts(), get("/console/style.css").Body.String()
	for name, wrong := range map[string]bool{
		"a style attribute":      regexp.MustCompile(`\sstyle=`).MatchString(html),
		"an event attribute":     regexp.MustCompile(`\son\w+=`).MatchString(html),
		"an inline script":       regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(html),
		"an inline style":        strings.Contains(html, "<style"),
		"an address elsewhere":   regexp.MustCompile(`(?:https?:)?//[a-z]`).MatchString(html + style),
		"markup made in scripts": regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`).MatchString(script),
	} {
		if wrong {
			t.Errorf("the page has %s", name)
		}
	}
}
