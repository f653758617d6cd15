package server

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/seed-15847954/ropewalk/cluster"
)

// nodeHeader is in requests that another node has passed on: the token of the one that is to
// serve it. Such a request is passed on no further.
const nodeHeader = "Ropewalk-Node"

const (
	// dialTime bounds the connecting with another node.
	dialTime = time.Second

	// forwardTime bounds the waiting for its answer, behind that of a poll.
	forwardTime = 40 * time.Second
)

// A forwarder passes requests on to the node whose session they are for.
type forwarder struct {
	cluster *cluster.Cluster
	proxy   *httputil.ReverseProxy
	pool    *http.Transport
}

// A destination is where one request is passed on to. It is kept in the request's context.
type destination struct {
	node   cluster.Node
	header http.Header // what this node says about the answer itself
	err    error       // why there is none
}

type destinationKey struct{}

func destinationOf(r *http.Request) *destination {
	d, _ := r.Context().Value(destinationKey{}).(*destination)
	return d
}

func newForwarder(c *cluster.Cluster, log *slog.Logger) *forwarder {
	f := &forwarder{cluster: c, pool: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTime}).DialContext,
		ResponseHeaderTimeout: forwardTime,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       idleTime / 2, // before the other node ends them
		DisableCompression:    true,
	}}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			d := destinationOf(r.In)
			r.SetURL(&url.URL{Scheme: "http", Host: d.node.Address})
			r.Out.Host = r.In.Host
			r.Out.Header.Set(nodeHeader, d.node.Token)
		},
		Transport: f.pool,
		ModifyResponse: func(resp *http.Response) error {
			for name := range destinationOf(resp.Request).header {
				resp.Header.Del(name)
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { destinationOf(r).err = err },
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelInfo),
	}
	return f
}

// forward passes a request on to a node, as the Forward of [native.Config].
func (f *forwarder) forward(name string, w http.ResponseWriter, r *http.Request) bool {
	node, ok := f.cluster.Node(name)
	if !ok || node.Address == "" || r.Header[nodeHeader] != nil {
		return false
	}
	d := &destination{node: node, header: w.Header().Clone()}
	f.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), destinationKey{}, d)))
	return d.err == nil
}

func (f *forwarder) close() { f.pool.CloseIdleConnections() }

// check refuses requests that claim to be from another node and are not.
func (f *forwarder) check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := r.Header[nodeHeader]
		if ok && (len(token) != 1 || subtle.ConstantTimeCompare([]byte(token[0]), []byte(f.cluster.Token())) != 1) {
			http.Error(w, "the header "+nodeHeader+" is for the nodes of this cluster alone", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// advertised returns where other nodes reach a server that listens at addr.
func advertised(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	if !tcp.IP.IsUnspecified() {
		return tcp.String()
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return (&net.TCPAddr{IP: n.IP, Port: tcp.Port}).String()
		}
	}
	return ""
}
