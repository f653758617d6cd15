// Command with imports xconnect and reports what its HTTP/2 server offers.
package main

import (
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect"
	"github.com/seed-15847954/ropewalk/websocket/xconnect/testdata/probe"
)

func main() { probe.Report() }
