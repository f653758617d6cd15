package handshake

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// Deflate is what one side wants of permessage-deflate. Window bits are 8 to 15;
// zero means 15.
type Deflate struct {
	NoContextTakeover     bool // for what this side sends
	PeerNoContextTakeover bool
	WindowBits            int // for what this side sends
	PeerWindowBits        int
}

// The names of RFC 7692, sections 7 and 7.1.
const (
	deflateName       = "permessage-deflate"
	serverNoTakeover  = "server_no_context_takeover"
	clientNoTakeover  = "client_no_context_takeover"
	serverWindow      = "server_max_window_bits"
	clientWindow      = "client_max_window_bits"
	minBits, fullBits = 8, 15
)

// Check reports whether the window bits are 8 to 15 or zero.
func (d *Deflate) Check() error {
	if d == nil {
		return nil
	}
	for _, bits := range []int{d.WindowBits, d.PeerWindowBits} {
		if bits != 0 && (bits < minBits || bits > fullBits) {
			return fmt.Errorf("window bits %d are not 8 to 15", bits)
		}
	}
	return nil
}

func orFull(bits int) int {
	if bits == 0 {
		return fullBits
	}
	return bits
}

// deflateParams are the parameters of one offer or answer.
type deflateParams struct {
	serverNoTakeover, clientNoTakeover bool

	// Zero: not there.
	serverBits, clientBits int

	// clientBitsBare says that client_max_window_bits has no value, as only an
	// offer may have it.
	clientBitsBare bool
}

// parseDeflate parses the parameters of an offer or an answer. An error means
// that the offer is declined, and that the answer fails the handshake
// (RFC 7692, section 7.1).
func parseDeflate(params []Param, isOffer bool) (d deflateParams, err error) {
	for i, p := range params {
		named := func(before Param) bool { return before.Name == p.Name }
		if slices.ContainsFunc(params[:i], named) { // there are few
			return d, fmt.Errorf("%s stands twice", p.Name)
		}
		switch p.Name {
		case serverNoTakeover:
			d.serverNoTakeover, err = true, noValue(p)
		case clientNoTakeover:
			d.clientNoTakeover, err = true, noValue(p)
		case serverWindow:
			d.serverBits, err = windowBits(p)
		case clientWindow:
			if d.clientBitsBare = isOffer && !p.HasValue; !d.clientBitsBare {
				d.clientBits, err = windowBits(p)
			}
		default:
			err = fmt.Errorf("unknown parameter %.40q", p.Name)
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

func noValue(p Param) error {
	if p.HasValue {
		return fmt.Errorf("%s has a value", p.Name)
	}
	return nil
}

// windowBits parses a value of 8 to 15, in decimal without leading zeros.
func windowBits(p Param) (int, error) {
	n, err := strconv.ParseUint(p.Value, 10, 4)
	if err != nil || n < minBits || p.Value[0] == '0' {
		return 0, fmt.Errorf("%s=%.20q is not 8 to 15", p.Name, p.Value)
	}
	return int(n), nil
}

// AcceptDeflate looks for the first offer of permessage-deflate that is valid,
// for every valid one can be met. It returns the answer and what is agreed, or
// "" and nil when there is none or d is nil.
//
// The answer repeats what the offer asks, so that neither side keeps more memory
// than it has to, and adds what d wants where RFC 7692 lets a server do so
// unasked. It does not announce a smaller window of its own: using one needs no
// consent, and old clients refuse the parameter.
func (d *Deflate) AcceptDeflate(offers []Extension) (answer string, agreed *deflate.Params) {
	if d == nil {
		return "", nil
	}
	for _, offer := range offers {
		if offer.Name != deflateName {
			continue
		}
		// 7.1: an offer with an unknown, invalid or repeated parameter is declined.
		o, err := parseDeflate(offer.Params, true)
		if err != nil {
			continue
		}
		return d.answer(o)
	}
	return "", nil
}

func (d *Deflate) answer(o deflateParams) (string, *deflate.Params) {
	agreed := &deflate.Params{
		ServerNoContextTakeover: d.NoContextTakeover || o.serverNoTakeover,
		ClientNoContextTakeover: d.PeerNoContextTakeover || o.clientNoTakeover,
		ServerMaxWindowBits:     orFull(d.WindowBits),
		ClientMaxWindowBits:     fullBits,
	}
	answer := deflateName
	if agreed.ServerNoContextTakeover {
		answer += "; " + serverNoTakeover
	}
	if agreed.ClientNoContextTakeover {
		answer += "; " + clientNoTakeover
	}
	if o.serverBits != 0 {
		agreed.ServerMaxWindowBits = min(agreed.ServerMaxWindowBits, o.serverBits)
		answer += windowParam(serverWindow, agreed.ServerMaxWindowBits)
	}
	// 7.1.2.2: only a client that has offered the parameter can be bounded.
	if o.clientBits != 0 || o.clientBitsBare {
		agreed.ClientMaxWindowBits = min(orFull(d.PeerWindowBits), orFull(o.clientBits))
		if agreed.ClientMaxWindowBits < fullBits || o.clientBits != 0 {
			answer += windowParam(clientWindow, agreed.ClientMaxWindowBits)
		}
	}
	return answer, agreed
}

func windowParam(name string, bits int) string {
	return "; " + name + "=" + strconv.Itoa(bits)
}

// Offer returns the client's offer, or "" where d is nil.
func (d *Deflate) Offer() string {
	if d == nil {
		return ""
	}
	offer := deflateName
	if d.PeerNoContextTakeover {
		offer += "; " + serverNoTakeover
	}
	if d.NoContextTakeover {
		offer += "; " + clientNoTakeover
	}
	if orFull(d.PeerWindowBits) < fullBits {
		offer += windowParam(serverWindow, d.PeerWindowBits)
	}
	if orFull(d.WindowBits) < fullBits {
		return offer + windowParam(clientWindow, d.WindowBits)
	}
	return offer + "; " + clientWindow
}

// CheckAnswer checks the extensions of an answer to d's Offer, and returns what
// is agreed: nil when there are none.
func (d *Deflate) CheckAnswer(answer []Extension) (*deflate.Params, error) {
	if len(answer) == 0 {
		return nil, nil
	}
	// RFC 6455, section 9.1: only what was offered, and RFC 7692, section 5:
	// never two that use the same bit.
	for i, e := range answer {
		if d == nil || e.Name != deflateName || i > 0 {
			return nil, fmt.Errorf("extension %.40q was not asked for", e.Name)
		}
	}
	a, err := parseDeflate(answer[0].Params, false)
	if err == nil {
		err = d.checkAsked(a)
	}
	if err != nil {
		return nil, err
	}
	return &deflate.Params{
		ServerNoContextTakeover: a.serverNoTakeover,
		ClientNoContextTakeover: a.clientNoTakeover || d.NoContextTakeover,
		ServerMaxWindowBits:     orFull(a.serverBits),
		ClientMaxWindowBits:     min(orFull(a.clientBits), orFull(d.WindowBits)),
	}, nil
}

// checkAsked checks that the answer grants what was asked, and bounds the client
// no less than it said. 7.1.1.1, 7.1.2.1: a server that accepts an offer repeats
// its server_ parameters.
func (d *Deflate) checkAsked(a deflateParams) error {
	switch {
	case d.PeerNoContextTakeover && !a.serverNoTakeover:
		return fmt.Errorf("%s was asked for and not granted", serverNoTakeover)
	case orFull(a.serverBits) > orFull(d.PeerWindowBits):
		return fmt.Errorf("%s of at most %d was asked for and not granted", serverWindow, d.PeerWindowBits)
	case a.clientBits > orFull(d.WindowBits):
		return fmt.Errorf("%s=%d is above the %d offered", clientWindow, a.clientBits, d.WindowBits)
	}
	return nil
}
