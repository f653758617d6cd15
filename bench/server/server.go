// Package server is what the servers under load that are written in Go share: the
// command line, the end, and the group that a broadcast goes to.
package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
)

// Options are what the command line says.
type Options struct {
	API       string // what of the library to use, where there is a choice
	Broadcast bool   // what one connection sends goes to all, not back to it
	Deflate   Deflate

	// Cert is a file with a certificate and its key, or empty. The listener speaks
	// TLS with it; Plain is the one below, for a library with a TLS of its own.
	Cert  string
	Plain net.Listener
}

// Deflate says how permessage-deflate is negotiated.
type Deflate string

// The choices. Each message stands for itself, or keeps what came before it as
// history (RFC 7692, section 7.1.1).
const (
	NoDeflate  Deflate = "none"
	NoTakeover Deflate = "no-takeover"
	Takeover   Deflate = "takeover"
)

// Main listens where the command line says and has serve take the connections. It
// does not return.
func Main(serve func(l net.Listener, o Options) error) {
	var o Options
	addr := flag.String("addr", "127.0.0.1:0", "listen on this `address`")
	flag.StringVar(&o.Cert, "cert", "", "speak TLS with the certificate and key in this `file`")
	mode := flag.String("mode", "echo", "echo or broadcast")
	flag.StringVar(&o.API, "api", "", "what of the library to use")
	flag.StringVar((*string)(&o.Deflate), "deflate", string(NoDeflate), "none, no-takeover or takeover")
	flag.Parse()
	o.Broadcast = *mode == "broadcast"

	var l net.Listener
	var err error
	if o.Plain, err = net.Listen("tcp", *addr); err == nil {
		l, err = secure(o.Plain, o.Cert)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go obey()
	fmt.Fprintln(os.Stderr, serve(l, o))
	os.Exit(1)
}

// secure returns l, with TLS if there is a certificate.
func secure(l net.Listener, cert string) (net.Listener, error) {
	if cert == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, cert)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}), nil
}

// obey does what standard input says and ends the process with it.
func obey() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		verb, file, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "tidy":
			runtime.GC()
			debug.FreeOSMemory()
		case "profile":
			if err := profile(file); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		fmt.Println(verb)
	}
	os.Exit(0)
}

// profile begins a profile of processor time, or ends it when file is empty.
func profile(file string) error {
	if file == "" {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// HTTP returns what Main calls to serve handler with net/http.
func HTTP(handler func(o Options) (http.HandlerFunc, error)) func(l net.Listener, o Options) error {
	return func(l net.Listener, o Options) error {
		h, err := handler(o)
		if err != nil {
			return err
		}
		return http.Serve(l, h)
	}
}

// Each calls open for every connection that l accepts, in a goroutine of its own.
func Each(l net.Listener, open func(c net.Conn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go open(c)
	}
}

// ErrDeflate is returned for a choice of permessage-deflate that a library lacks.
var ErrDeflate = errors.New("the library cannot do that with permessage-deflate")
