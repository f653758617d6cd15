package handshake

import (
	"fmt"
	"slices"
	"strings"
)

// maxSubprotocols bounds a list of subprotocols. Each is compared with all
// before it, so the bound keeps the work linear in the size of the request.
const maxSubprotocols = 64

// ParseSubprotocols returns the subprotocols that a client offers, in its order
// of preference, from the lines of Sec-WebSocket-Protocol.
func ParseSubprotocols(lines []string) ([]string, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	var offered []string
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			offered = append(offered, trim(element))
			if len(offered) > maxSubprotocols {
				return nil, fmt.Errorf("more than %d subprotocols", maxSubprotocols)
			}
		}
	}
	if err := CheckSubprotocols(offered); err != nil {
		return nil, err
	}
	return offered, nil
}

// CheckSubprotocols reports whether a client may offer names. RFC 6455, section
// 4.1: they are tokens, and all different.
func CheckSubprotocols(names []string) error {
	for i, name := range names {
		if !IsToken(name) {
			return fmt.Errorf("subprotocol %.40q is not a token", name)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("subprotocol %.40q stands twice", name)
		}
	}
	return nil
}

// SelectSubprotocol returns the first of offered that is spoken, or "".
func SelectSubprotocol(offered, spoken []string) string {
	for _, name := range offered {
		if i := slices.Index(spoken, name); i >= 0 {
			return spoken[i] // name would keep the whole request in memory
		}
	}
	return ""
}
