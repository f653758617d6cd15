package websocket

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
)

// The numbers of SOCKS 5 (RFC 1928; RFC 1929).
const (
	socksVersion     = 5
	socksAuthVersion = 1

	socksNoAuth       = 0
	socksPasswordAuth = 2

	socksCommandConnect = 1

	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4
)

// socksConnect asks a SOCKS 5 proxy for a connection to host, which the proxy
// looks up unless it is an IP address. Each answer is read to its last byte and
// no further.
func socksConnect(stream io.ReadWriter, user *url.Userinfo, host string, port uint16) error {
	if err := socksGreet(stream, user); err != nil {
		return err
	}
	request := []byte{socksVersion, socksCommandConnect, 0}
	if ip, err := netip.ParseAddr(host); err != nil {
		request = append(request, socksName, byte(len(host))) // a name has at most 253 bytes
		request = append(request, host...)
	} else if ip.Is4() {
		request = append(append(request, socksIPv4), ip.AsSlice()...)
	} else {
		request = append(append(request, socksIPv6), ip.AsSlice()...)
	}
	request = append(request, byte(port>>8), byte(port))
	if _, err := stream.Write(request); err != nil {
		return fmt.Errorf("send SOCKS request: %w", err)
	}
	return readSocksReply(stream)
}

// socksGreet agrees on how to authenticate, and does so.
func socksGreet(stream io.ReadWriter, user *url.Userinfo) error {
	greeting := []byte{socksVersion, 1, socksNoAuth}
	if user != nil {
		greeting = []byte{socksVersion, 2, socksNoAuth, socksPasswordAuth}
	}
	if _, err := stream.Write(greeting); err != nil {
		return fmt.Errorf("send SOCKS greeting: %w", err)
	}
	var choice [2]byte
	if _, err := io.ReadFull(stream, choice[:]); err != nil {
		return fmt.Errorf("read SOCKS greeting: %w", err)
	}
	switch {
	case choice[0] != socksVersion:
		return fmt.Errorf("it speaks version %d of SOCKS, or something else", choice[0])
	case choice[1] == socksNoAuth:
		return nil
	case choice[1] == socksPasswordAuth && user != nil:
		return socksAuthenticate(stream, user)
	}
	return errors.New("SOCKS proxy accepts no way to authenticate that was offered")
}

// socksAuthenticate sends user name and password (RFC 1929).
func socksAuthenticate(stream io.ReadWriter, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > 255 || password == "" || len(password) > 255 {
		return errors.New("SOCKS user name or password is not 1 to 255 bytes long")
	}
	request := append([]byte{socksAuthVersion, byte(len(name))}, name...)
	request = append(append(request, byte(len(password))), password...)
	if _, err := stream.Write(request); err != nil {
		return fmt.Errorf("send SOCKS password: %w", err)
	}
	var answer [2]byte
	if _, err := io.ReadFull(stream, answer[:]); err != nil {
		return fmt.Errorf("read SOCKS authentication: %w", err)
	}
	if answer[0] != socksAuthVersion || answer[1] != 0 {
		return errors.New("SOCKS proxy refused user name and password")
	}
	return nil
}

// socksReplies are the reasons of RFC 1928, section 6.
var socksReplies = map[byte]string{
	1: "general failure", 2: "not allowed by ruleset", 3: "network unreachable", 4: "host unreachable",
	5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported",
}

// readSocksReply reads the answer to a request, the address in it included.
func readSocksReply(stream io.Reader) error {
	var reply [5]byte // version, reply, reserved, address type, first byte of the address
	if _, err := io.ReadFull(stream, reply[:4]); err != nil {
		return fmt.Errorf("read SOCKS reply: %w", err)
	}
	if reply[0] != socksVersion {
		return errors.New("malformed SOCKS reply")
	}
	if code := reply[1]; code != 0 {
		return fmt.Errorf("SOCKS reply %d %s", code, socksReplies[code])
	}
	if _, err := io.ReadFull(stream, reply[4:]); err != nil {
		return fmt.Errorf("read SOCKS reply: %w", err)
	}
	var rest int64 // of the address, and the port
	switch reply[3] {
	case socksIPv4:
		rest = 4 - 1 + 2
	case socksIPv6:
		rest = 16 - 1 + 2
	case socksName:
		rest = int64(reply[4]) + 2
	default:
		return errors.New("malformed SOCKS reply")
	}
	if _, err := io.CopyN(io.Discard, stream, rest); err != nil {
		return fmt.Errorf("read SOCKS reply: %w", err)
	}
	return nil
}
