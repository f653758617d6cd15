// Package console is the page on which a person can try the server. It is
// embedded, has no build step, and loads nothing from elsewhere. page/ropewalk.js
// is the client of sdk/js, which pages of applications may load, too: `npm run console`
// there renews it, and a test of interop tells when it is stale.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"time"
)

//go:embed page
var page embed.FS

// files says under which path each file is served, and as what.
var files = []struct{ path, name, contentType string }{
	{"/{$}", "page/index.html", "text/html; charset=utf-8"},
	{"/console/log.js", "page/log.js", "text/javascript; charset=utf-8"},
	{"/console/presence.js", "page/presence.js", "text/javascript; charset=utf-8"},
	{"/console/app.js", "page/app.js", "text/javascript; charset=utf-8"},
	{"/console/style.css", "page/style.css", "text/css; charset=utf-8"},
}

// Client returns the handler of the client for JavaScript, an ES module of one file. Pages
// of every origin may load it.
func Client() http.Handler {
	body, err := page.ReadFile("page/ropewalk.js")
	if err != nil {
		panic(err) // the file is embedded by the line above
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cache-Control", "no-cache") // asked for again, and rarely sent again
		h.Set("ETag", tag)
		http.ServeContent(w, r, "ropewalk.js", time.Time{}, bytes.NewReader(body))
	})
}

// policy lets the page load its own files and connect to its own server, and
// nothing else. No script and no style stands in the HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Paths returns the patterns, as http.ServeMux has them, that Handler serves.
func Paths() []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.path)
	}
	return paths
}

// Handler returns the handler of the page and its files.
func Handler() http.Handler {
	mux := http.NewServeMux()
	for _, f := range files {
		body, err := page.ReadFile(f.name)
		if err != nil {
			panic(err) // the file is embedded by the lines above
		}
		mux.HandleFunc(f.path, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", f.contentType)
			h.Set("Content-Security-Policy", policy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.Set("Cache-Control", "no-cache")
			http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(body))
		})
	}
	return mux
}
