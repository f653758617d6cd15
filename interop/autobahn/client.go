package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// caseTimeout bounds one case. The slowest send 16 MiB in small pieces.
const caseTimeout = 5 * time.Minute

// runCases plays every case of the suite's server and has it write its report.
func runCases(ctx context.Context, url string) error {
	n, err := caseCount(ctx, url)
	if err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		if err := dialEcho(ctx, fmt.Sprintf("%s/runCase?case=%d&agent=%s", url, i, agent)); err != nil {
			return fmt.Errorf("case %d of %d: %w", i, n, err)
		}
	}
	return dialEcho(ctx, url+"/updateReports?agent="+agent)
}

func caseCount(ctx context.Context, url string) (int, error) {
	c, _, err := websocket.Dial(ctx, url+"/getCaseCount", nil)
	if err != nil {
		return 0, err
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(p))
}

// dialEcho sends every message back until the connection ends. How it ends is for
// the suite to judge; an error is returned when it does not begin or not end.
func dialEcho(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Compression: &websocket.Compression{},
		Limits:      websocket.Limits{MaxMessageSize: maxMessage},
	})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if err := echo(ctx, c); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// echo sends every message back, and returns the error that ends it.
func echo(ctx context.Context, c *websocket.Conn) error {
	var p []byte
	for {
		typ, got, err := c.ReadAppend(ctx, p[:0])
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, got); err != nil {
			return err
		}
		p = got
	}
}
