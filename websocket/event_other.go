package websocket

import "context"

type polled struct{}

func (*polled) Schedule()                                                                {}
func (*polled) linger()                                                                  {}
func (*polled) closing()                                                                 {}
func (*polled) transmit(buf *buffer, b []byte, batch list)                               {}
func (*polled) transmitFor(ctx context.Context, buf *buffer, b []byte, batch list) error { return nil }
func (c *Conn) poll() bool                                                               { return false }
