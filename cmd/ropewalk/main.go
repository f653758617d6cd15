// Command ropewalk is a real-time messaging server over WebSocket, and the tools to
// try it from a terminal.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr}))
}
