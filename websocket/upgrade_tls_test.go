package websocket_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// RFC 6455, section 4.2.2: TLS comes first, within the time for the handshake. What
// is no TLS is not answered.
//
// Checks 6455-46.
func TestUpgradeTLS(t *testing.T) {
	certificate := newTestServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.close)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := upgradeOn(t, tls.NewListener(inner, &tls.Config{Certificates: certificate.TLS.Certificates}), nil)
	for origin, want := range map[string]int{"https://example.com": 101, "http://example.com": 403} {
		conn := tls.Client(s.dialRaw(t), &tls.Config{InsecureSkipVerify: true})
		conn.Write(upgradeRequest("Origin: " + origin))
		resp, _, err := readAnswer(conn)
		if err != nil || resp.StatusCode != want {
			t.Errorf("Origin %q over TLS: %v, %v, want status %d", origin, resp, err, want)
		}
		conn.Close()
		<-s.outcome
	}
	plain := s.dialRaw(t)
	plain.Write(upgradeRequest())
	if o := <-s.outcome; o.err == nil || !errors.As(o.err, new(tls.RecordHeaderError)) {
		t.Errorf("plain HTTP: Upgrade() = %v, want a tls.RecordHeaderError", o.err)
	}

	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		server, client := wstest.Streams()
		u := <-upgrading(t.Context(), tls.Server(server, &tls.Config{Certificates: certificate.TLS.Certificates}), nil)
		if !errors.Is(u.err, os.ErrDeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("no ClientHello: Upgrade() = %v after %v, want a timeout after 10s", u.err, time.Since(start))
		}
		client.Close()
	})
}

// The application sees the state of TLS.
func TestUpgradeTLSState(t *testing.T) {
	certificate := newTestServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.close)
	a, b := net.Pipe()
	done := upgrading(t.Context(), tls.Server(a, &tls.Config{Certificates: certificate.TLS.Certificates}), nil)
	conn := tls.Client(b, &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"})
	go conn.Write(upgradeRequest())
	if resp, _, err := readAnswer(conn); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer %v, %v, want 101", resp, err)
	}
	u := <-done
	if u.err != nil || u.r.TLS == nil || u.r.TLS.ServerName != "example.com" || !u.r.TLS.HandshakeComplete {
		t.Fatalf("Upgrade() = %v with TLS %+v, want a connection and the state", u.err, u.r.TLS)
	}
	b.Close()
	u.conn.CloseNow()
}
