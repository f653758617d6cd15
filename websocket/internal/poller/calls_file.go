//go:build linux && !race && (386 || s390x)

package poller

import "syscall"

// Here all calls of sockets go through one that takes its arguments from memory. Those
// of files ignore the flags.
const (
	sysReceive = syscall.SYS_READ
	sysSend    = syscall.SYS_WRITE
)
