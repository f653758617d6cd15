package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/seed-15847954/ropewalk/websocket"
)

// send does what the input says until it ends or the connection does.
func send(ctx context.Context, conn *websocket.Conn, console *console) error {
	for {
		line, err := console.line()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := obey(ctx, conn, console, line); err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				return err
			}
			console.event("error: " + err.Error())
		}
	}
}

// obey does what one line of input says.
func obey(ctx context.Context, conn *websocket.Conn, console *console, line string) error {
	command, isCommand := strings.CutPrefix(line, "/")
	if !isCommand || strings.HasPrefix(command, "/") {
		return conn.Write(ctx, websocket.Text, []byte(strings.TrimPrefix(line, "/")))
	}
	verb, arg, _ := strings.Cut(command, " ")
	switch verb {
	case "binary":
		p, err := hex.DecodeString(strings.ReplaceAll(arg, " ", ""))
		if err != nil {
			return fmt.Errorf("/binary takes hexadecimal digits: %w", err)
		}
		return conn.Write(ctx, websocket.Binary, p)
	case "ping":
		rtt, err := conn.Ping(ctx)
		if err == nil {
			console.event(fmt.Sprintf("round trip %v", rtt))
		}
		return err
	case "close":
		return closeWith(conn, arg)
	case "help":
		console.event(connectHelp)
		return nil
	}
	return fmt.Errorf("unknown command /%s; /help lists them", printable([]byte(verb)))
}

func closeWith(conn *websocket.Conn, arg string) error {
	if arg == "" {
		return conn.Close(websocket.CloseNormal, "")
	}
	number, reason, _ := strings.Cut(arg, " ")
	code, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return fmt.Errorf("/close %s: the code is a number of 1000 to 4999", printable([]byte(number)))
	}
	return conn.Close(websocket.CloseCode(code), reason)
}
