// Command without reports what its HTTP/2 server offers by default.
package main

import "github.com/seed-15847954/ropewalk/websocket/xconnect/testdata/probe"

func main() { probe.Report() }
