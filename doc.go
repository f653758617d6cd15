// Package ropewalk has no code. It stands at the root of the module for the tests
// of the project as a whole: that imports point downwards, that the programs in
// the documentation compile, that two builds are the same.
//
// The library is package websocket, the server is cmd/ropewalk.
package ropewalk
