package handshake_test

import (
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

func parse(t *testing.T, line string) []handshake.Extension {
	t.Helper()
	if line == "" {
		return nil
	}
	extensions, err := handshake.ParseExtensions([]string{line})
	if err != nil {
		t.Fatalf("ParseExtensions(%q) = %v", line, err)
	}
	return extensions
}

func agreed(serverNoTakeover, clientNoTakeover bool, serverBits, clientBits int) deflate.Params {
	return deflate.Params{
		ServerNoContextTakeover: serverNoTakeover, ClientNoContextTakeover: clientNoTakeover,
		ServerMaxWindowBits: serverBits, ClientMaxWindowBits: clientBits,
	}
}

// RFC 7692, section 7.1: the answers of a server without wishes of its own.
//
// Checks 7692-2, 7692-3, 7692-25, 7692-29, 7692-30, 7692-34, 7692-35, 6455-144,
// Checks 6455-142.
func TestAcceptDeflate(t *testing.T) {
	for _, test := range []struct {
		offer, answer string
		agreed        deflate.Params
	}{
		{"permessage-deflate", "permessage-deflate", agreed(false, false, 15, 15)},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate", agreed(false, false, 15, 15)},
		{
			"permessage-deflate; server_no_context_takeover",
			"permessage-deflate; server_no_context_takeover",
			agreed(true, false, 15, 15),
		},
		{
			"permessage-deflate; client_no_context_takeover",
			"permessage-deflate; client_no_context_takeover",
			agreed(false, true, 15, 15),
		},
		{
			"permessage-deflate; server_max_window_bits=8",
			"permessage-deflate; server_max_window_bits=8",
			agreed(false, false, 8, 15),
		},
		{
			`permessage-deflate; server_max_window_bits="10"`,
			"permessage-deflate; server_max_window_bits=10",
			agreed(false, false, 10, 15),
		},
		{
			"permessage-deflate; server_max_window_bits=15; client_max_window_bits=10",
			"permessage-deflate; server_max_window_bits=15; client_max_window_bits=10",
			agreed(false, false, 15, 10),
		},
		// The first offer that can be met counts.
		{
			"permessage-deflate; server_max_window_bits=9, permessage-deflate",
			"permessage-deflate; server_max_window_bits=9",
			agreed(false, false, 9, 15),
		},
		{
			"x-foo, permessage-deflate; foo, permessage-deflate; client_no_context_takeover, permessage-deflate",
			"permessage-deflate; client_no_context_takeover",
			agreed(false, true, 15, 15),
		},
	} {
		server := &handshake.Deflate{}
		answer, agreed := server.AcceptDeflate(parse(t, test.offer))
		if answer != test.answer || agreed == nil || *agreed != test.agreed {
			t.Errorf("AcceptDeflate(%q) = %q, %v, want %q, %v", test.offer, answer, agreed, test.answer, test.agreed)
		}
		var off *handshake.Deflate
		if answer, agreed := off.AcceptDeflate(parse(t, test.offer)); answer != "" || agreed != nil {
			t.Errorf("switched off, AcceptDeflate(%q) = %q, %v, want none", test.offer, answer, agreed)
		}
	}
}

// RFC 7692, section 7.1: the answers of a server that wants to bound memory. What
// it may not say unasked it does not say.
//
// Checks 7692-18, 7692-24, 7692-27, 7692-34, 7692-35.
func TestAcceptDeflateBounded(t *testing.T) {
	server := &handshake.Deflate{NoContextTakeover: true, PeerNoContextTakeover: true, WindowBits: 12, PeerWindowBits: 11}
	const both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, test := range []struct {
		offer, answer string
		agreed        deflate.Params
	}{
		{"permessage-deflate", both, agreed(true, true, 12, 15)},
		{"permessage-deflate; client_max_window_bits", both + "; client_max_window_bits=11", agreed(true, true, 12, 11)},
		{"permessage-deflate; client_max_window_bits=10", both + "; client_max_window_bits=10", agreed(true, true, 12, 10)},
		{"permessage-deflate; client_max_window_bits=15", both + "; client_max_window_bits=11", agreed(true, true, 12, 11)},
		{"permessage-deflate; server_max_window_bits=15", both + "; server_max_window_bits=12", agreed(true, true, 12, 15)},
		{"permessage-deflate; server_max_window_bits=9", both + "; server_max_window_bits=9", agreed(true, true, 9, 15)},
	} {
		answer, agreed := server.AcceptDeflate(parse(t, test.offer))
		if answer != test.answer || agreed == nil || *agreed != test.agreed {
			t.Errorf("AcceptDeflate(%q) = %q, %v, want %q, %v", test.offer, answer, agreed, test.answer, test.agreed)
		}
	}
}

// invalidParams are invalid in an offer and in an answer.
var invalidParams = []string{
	"foo", "foo=1", "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16",
	"server_max_window_bits=08", "server_max_window_bits=0", "server_max_window_bits=a", "server_max_window_bits=-8",
	"server_max_window_bits=+8", "server_max_window_bits=8.0", "server_max_window_bits=1_0",
	"server_max_window_bits=99999999999999999999999", "client_max_window_bits=7", "client_max_window_bits=16",
	"client_max_window_bits=08", "client_max_window_bits=a", "server_no_context_takeover=1",
	`server_no_context_takeover="true"`, "client_no_context_takeover=0", "Server_No_Context_Takeover",
	"server_no_context_takeover; server_no_context_takeover", "client_no_context_takeover; client_no_context_takeover",
	"server_max_window_bits=10; server_max_window_bits=10", "client_max_window_bits=10; client_max_window_bits=11",
}

// RFC 7692, section 7.1: an invalid offer is declined as a whole, and the next one
// is looked at.
//
// Checks 7692-6, 7692-15, 7692-16, 7692-17, 7692-29, 7692-30, 6455-53.
// Security 7.
func TestAcceptDeflateDeclines(t *testing.T) {
	server := &handshake.Deflate{}
	invalid := append([]string{"client_max_window_bits; client_max_window_bits=10"}, invalidParams...)
	for _, p := range invalid {
		offer := "permessage-deflate; " + p
		if answer, agreed := server.AcceptDeflate(parse(t, offer)); answer != "" || agreed != nil {
			t.Errorf("AcceptDeflate(%q) = %q, %v, want none", offer, answer, agreed)
		}
		offer += ", permessage-deflate"
		if answer, agreed := server.AcceptDeflate(parse(t, offer)); answer != "permessage-deflate" || agreed == nil {
			t.Errorf("AcceptDeflate(%q) = %q, %v, want the second offer", offer, answer, agreed)
		}
	}
	for _, offer := range []string{"", "x-foo", "x-webkit-deflate-frame", "Permessage-Deflate", "permessage-deflat"} {
		if answer, agreed := server.AcceptDeflate(parse(t, offer)); answer != "" || agreed != nil {
			t.Errorf("AcceptDeflate(%q) = %q, %v, want none", offer, answer, agreed)
		}
	}
}

// RFC 7692, section 7.1: what a client offers.
//
// Checks 7692-1, 7692-33, 6455-23, 6455-142.
func TestOffer(t *testing.T) {
	for _, test := range []struct {
		client *handshake.Deflate
		want   string
	}{
		{nil, ""},
		{&handshake.Deflate{}, "permessage-deflate; client_max_window_bits"},
		{&handshake.Deflate{WindowBits: 15, PeerWindowBits: 15}, "permessage-deflate; client_max_window_bits"},
		{
			&handshake.Deflate{NoContextTakeover: true, PeerNoContextTakeover: true, WindowBits: 9, PeerWindowBits: 10},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
		},
	} {
		got := test.client.Offer()
		if got != test.want {
			t.Errorf("%+v.Offer() = %q, want %q", test.client, got, test.want)
		}
		parse(t, got)
	}
}

// RFC 7692, section 7.1: the answers that a client takes.
//
// Checks 7692-24, 7692-27, 7692-32.
func TestCheckAnswer(t *testing.T) {
	plain := &handshake.Deflate{}
	for _, test := range []struct {
		client *handshake.Deflate
		answer string
		want   deflate.Params
	}{
		{plain, "permessage-deflate", agreed(false, false, 15, 15)},
		{plain, "permessage-deflate; server_no_context_takeover", agreed(true, false, 15, 15)},
		{plain, "permessage-deflate; client_no_context_takeover", agreed(false, true, 15, 15)},
		{plain, "permessage-deflate; server_max_window_bits=8", agreed(false, false, 8, 15)},
		{plain, `permessage-deflate; client_max_window_bits="8"`, agreed(false, false, 15, 8)},
		{&handshake.Deflate{NoContextTakeover: true, WindowBits: 10}, "permessage-deflate", agreed(false, true, 15, 10)},
		{&handshake.Deflate{WindowBits: 10}, "permessage-deflate; client_max_window_bits=9", agreed(false, false, 15, 9)},
		{&handshake.Deflate{PeerWindowBits: 10}, "permessage-deflate; server_max_window_bits=9", agreed(false, false, 9, 15)},
		{
			&handshake.Deflate{PeerNoContextTakeover: true},
			"permessage-deflate; server_no_context_takeover",
			agreed(true, false, 15, 15),
		},
	} {
		got, err := test.client.CheckAnswer(parse(t, test.answer))
		if err != nil || *got != test.want {
			t.Errorf("%+v.CheckAnswer(%q) = %v, %v, want %v", test.client, test.answer, got, err, test.want)
		}
	}
	for _, client := range []*handshake.Deflate{nil, plain} {
		if got, err := client.CheckAnswer(nil); got != nil || err != nil {
			t.Errorf("%+v.CheckAnswer(nil) = %v, %v, want nil, nil", client, got, err)
		}
	}
}

// RFC 7692, section 7.1: the answers that fail the handshake.
//
// Checks 7692-5, 7692-7, 7692-19, 7692-20, 7692-21, 7692-22, 7692-29, 7692-30,
// Checks 7692-34, 7692-35, 6455-30.
// Security 7.
func TestCheckAnswerFails(t *testing.T) {
	plain := &handshake.Deflate{}
	for _, p := range append([]string{"client_max_window_bits"}, invalidParams...) {
		answer := "permessage-deflate; " + p
		if got, err := plain.CheckAnswer(parse(t, answer)); err == nil {
			t.Errorf("CheckAnswer(%q) = %v, nil, want an error", answer, got)
		}
	}
	for _, test := range []struct {
		client *handshake.Deflate
		answer string
	}{
		{nil, "permessage-deflate"},
		{plain, "x-foo"},
		{plain, "permessage-deflate, x-foo"},
		{plain, "x-foo, permessage-deflate"},
		{plain, "permessage-deflate, permessage-deflate"},
		{&handshake.Deflate{WindowBits: 10}, "permessage-deflate; client_max_window_bits=11"},
		{&handshake.Deflate{PeerWindowBits: 10}, "permessage-deflate"},
		{&handshake.Deflate{PeerWindowBits: 10}, "permessage-deflate; server_max_window_bits=11"},
		{&handshake.Deflate{PeerNoContextTakeover: true}, "permessage-deflate"},
	} {
		if got, err := test.client.CheckAnswer(parse(t, test.answer)); err == nil {
			t.Errorf("%+v.CheckAnswer(%q) = %v, nil, want an error", test.client, test.answer, got)
		}
	}
}

// Both sides of this package agree, whatever each of them wants.
func TestDeflateBothSides(t *testing.T) {
	var wishes []*handshake.Deflate
	for _, bits := range [][2]int{{0, 0}, {8, 0}, {0, 8}, {9, 14}, {15, 15}} {
		for i := range 4 {
			wishes = append(wishes, &handshake.Deflate{
				NoContextTakeover: i&1 != 0, PeerNoContextTakeover: i&2 != 0, WindowBits: bits[0], PeerWindowBits: bits[1],
			})
		}
	}
	for _, client := range wishes {
		for _, server := range wishes {
			answer, atServer := server.AcceptDeflate(parse(t, client.Offer()))
			atClient, err := client.CheckAnswer(parse(t, answer))
			if err != nil {
				t.Fatalf("offer %q, answer %q: %v", client.Offer(), answer, err)
			}
			// The server may compress with less than it said, the client with no more.
			if atClient.ClientMaxWindowBits > atServer.ClientMaxWindowBits ||
				atServer.ServerMaxWindowBits > atClient.ServerMaxWindowBits ||
				atClient.ServerNoContextTakeover != atServer.ServerNoContextTakeover ||
				atClient.ClientNoContextTakeover != atServer.ClientNoContextTakeover {
				t.Errorf("offer %q, answer %q: client has %v, server has %v", client.Offer(), answer, atClient, atServer)
			}
		}
	}
}

// Window bits that do not exist are refused before they are sent.
func TestDeflateCheck(t *testing.T) {
	for bits, ok := range map[int]bool{-1: false, 0: true, 1: false, 7: false, 8: true, 15: true, 16: false} {
		for _, d := range []*handshake.Deflate{{WindowBits: bits}, {PeerWindowBits: bits}} {
			if err := d.Check(); (err == nil) != ok {
				t.Errorf("%+v.Check() = %v, want ok = %v", d, err, ok)
			}
		}
	}
	if !strings.Contains((&handshake.Deflate{WindowBits: 7}).Check().Error(), "7") {
		t.Error("Check() does not name the value")
	}
}
