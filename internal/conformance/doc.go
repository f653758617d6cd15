// Package conformance ties the rules that this project follows to the tests that
// check them.
//
// rfc.tsv lists every requirement of the WebSocket RFCs that binds an endpoint,
// security.tsv the classes of attack that have broken such software before. A
// test names the rows it checks in its doc comment, or above a transcript in
// testdata:
//
//	// Checks 6455-71, 6455-73.
//	// Security 7.
//
// and a page in docs/design names the rows that it decides:
//
//	Decides 6455-4.
//
// The pages docs/reference/conformance.md and docs/reference/security-classes.md
// are generated from these lines. A test fails when they are not up to date, or
// when a row that must be checked is not.
package conformance

//go:generate go run ./cmd/conformance ../..
