package handshake

import (
	"strings"
	"unicode/utf8"
)

// The parameters of punycode (RFC 3492, section 5).
const (
	punyBase        = 36
	punyTMin        = 1
	punyTMax        = 26
	punySkew        = 38
	punyDamp        = 700
	punyInitialBias = 72
	punyInitialN    = 128
)

// punycode encodes a label (RFC 3492, section 6.3), without the prefix xn--. The
// caller bounds the label, so that no number overflows.
func punycode(label []rune) string {
	var out strings.Builder
	for _, r := range label {
		if r < utf8.RuneSelf {
			out.WriteByte(byte(r))
		}
	}
	basic := out.Len()
	if basic > 0 {
		out.WriteByte('-')
	}
	n, delta, bias := rune(punyInitialN), 0, punyInitialBias
	for done := basic; done < len(label); {
		next := nextRune(label, n)
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range label {
			switch {
			case r < n:
				delta++
			case r == n:
				writePunyNumber(&out, delta, bias)
				bias = adaptBias(delta, done+1, done == basic)
				delta = 0
				done++
			}
		}
		delta++
		n++
	}
	return out.String()
}

// nextRune returns the smallest rune of label that is not below n.
func nextRune(label []rune, n rune) rune {
	next := rune(utf8.MaxRune)
	for _, r := range label {
		if r >= n {
			next = min(next, r)
		}
	}
	return next
}

// writePunyNumber writes delta as a number of variable length.
func writePunyNumber(out *strings.Builder, delta, bias int) {
	for k := punyBase; ; k += punyBase {
		t := min(max(k-bias, punyTMin), punyTMax)
		if delta < t {
			out.WriteByte(punyDigit(delta))
			return
		}
		out.WriteByte(punyDigit(t + (delta-t)%(punyBase-t)))
		delta = (delta - t) / (punyBase - t)
	}
}

func punyDigit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}

// adaptBias is the function of RFC 3492, section 6.1.
func adaptBias(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > (punyBase-punyTMin)*punyTMax/2 {
		delta /= punyBase - punyTMin
		k += punyBase
	}
	return k + (punyBase-punyTMin+1)*delta/(delta+punySkew)
}
