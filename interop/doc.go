// Package interop holds the tests against software that this project did not
// write: browsers, other WebSocket libraries, and proxies.
//
// The tests stand behind the build tag interop and are run by `make interop`,
// which installs what they need first (scripts/interop-deps). A tool that is
// missing fails its test in one line; none is skipped.
//
//   - browser/ drives Chromium and Firefox; peers/ drives the npm package ws and
//     the Python package websockets. Both are small programs that take one
//     command a line, so that the tests themselves are all Go.
//   - ../sdk/js has the client for JavaScript, whose own tests are run here, in Node
//     and in the browsers.
//   - aioquic/ has a peer for HTTP/3, on the Python packages aioquic and websockets.
//   - testdata/ has the proxies' configuration and the page that the browsers open.
//   - ../proof has its own clients, which see to it that the server keeps its promises; it is
//     run here in small, and by `make proof` at length.
//   - autobahn/ runs the Autobahn test suite, which takes some ten minutes and so
//     is no part of `make interop`: see interop/autobahn/run.
package interop
