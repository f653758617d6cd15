//go:build linux

package channels

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// A publisher posts publications to a server, as a back end does. Its methods may be
// called from any goroutine.
type publisher struct {
	addr    netip.AddrPort
	dialect *Dialect
	client  *http.Client
}

func newPublisher(addr netip.AddrPort, d *Dialect) *publisher {
	return &publisher{addr, d, &http.Client{Timeout: 60 * time.Second, Transport: new(http.Transport)}}
}

func (p *publisher) close() { p.client.CloseIdleConnections() }

// publish has data published in each of the channels, and returns when the server
// has answered.
func (p *publisher) publish(channels []string, data []byte) error {
	path, body := p.dialect.body(channels, data)
	r, err := p.client.Post(fmt.Sprintf("http://%v%s", p.addr, path), "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`)) {
		return fmt.Errorf("publish: %s: %.200s (%v)", r.Status, answer, err)
	}
	return nil
}
