// Package nativepb is the schema of Ropewalk's own protocol, as docs/reference/protocol.md
// describes it, and the code that is generated from it.
package nativepb

//go:generate ./generate.sh
