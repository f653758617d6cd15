package main

const (
	continues = 0x80        // the bit of a pair of continuation bytes, and the top bit
	third     = 0xe0 - 0x80 // subtracted, it leaves the top bit of what begins three bytes or more
	fourth    = 0xf0 - 0x80 // of what begins four
)

// A nibbles is a set of values of four bits.
type nibbles uint16

// set has the values from low to high.
func set(low, high int) nibbles { return nibbles(1<<(high+1) - 1<<low) }

const every nibbles = 0xffff

// A pair is a set of pairs of adjacent bytes: those whose first has one of the high
// and one of the low nibbles, and whose second has one of the high nibbles.
type pair struct{ prevHigh, prevLow, curHigh nibbles }

// pairs are the pairs that UTF-8 has not (RFC 3629, section 4), one set for each bit
// in a byte, and as the top bit those of two continuation bytes, of which it depends
// on more bytes whether UTF-8 has them.
var pairs = [8]pair{
	{set(0xc, 0xf), every, set(0x0, 0x7) | set(0xc, 0xf)},         // a beginning that does not go on
	{set(0x0, 0x7), every, set(0x8, 0xb)},                         // ASCII that goes on
	{set(0xc, 0xc), set(0x0, 0x1), set(0x8, 0xb)},                 // overlong in two bytes
	{set(0xe, 0xe), set(0x0, 0x0), set(0x8, 0x9)},                 // overlong in three
	{set(0xe, 0xe), set(0xd, 0xd), set(0xa, 0xb)},                 // surrogates
	{set(0xf, 0xf), set(0x4, 0xf), set(0x9, 0xb)},                 // beyond U+10FFFF
	{set(0xf, 0xf), set(0x0, 0x0) | set(0x5, 0xf), set(0x8, 0x8)}, // overlong in four; beyond U+13FFFF
	{set(0x8, 0xb), every, set(0x8, 0xb)},
}

// A lookup has a byte of bits, those of pairs, for each value of a nibble.
type lookup struct{ prevHigh, prevLow, curHigh [16]byte }

func tables() (t lookup) {
	for bit, p := range pairs {
		for value := range 16 {
			t.prevHigh[value] |= byte(p.prevHigh >> value & 1 << bit)
			t.prevLow[value] |= byte(p.prevLow >> value & 1 << bit)
			t.curHigh[value] |= byte(p.curHigh >> value & 1 << bit)
		}
	}
	return t
}
