package deflate

import (
	"math/bits"
	"slices"
)

// A code is a Huffman code to write with (RFC 1951, section 3.2.2).
type code struct {
	lengths [maxLits + 2]uint8
	words   [maxLits + 2]word
}

// A word is a word of a code, with the first bit lowest, and its length in the
// low lengthBits.
type word uint32

const lengthBits = 8

func (w word) bits() uint64 { return uint64(w >> lengthBits) }

func (w word) len() uint { return uint(w % (1 << lengthBits)) }

// cost returns the bits that symbols of these frequencies take.
func (c *code) cost(freq []uint16) (bits int) {
	for symbol, f := range freq {
		bits += int(f) * int(c.lengths[symbol])
	}
	return bits
}

// A builder makes Huffman codes.
type builder struct {
	sorted, spare [maxLits]uint32 // frequency<<symbolBits | symbol
	weights       [maxLits]uint32
}

const symbolBits = 9

// build makes c the best code for symbols of these frequencies, each below 1<<16,
// that has no words longer than most bits.
func (b *builder) build(c *code, freq []uint16, most int) {
	clear(c.lengths[:len(freq)])
	n := 0
	for symbol, f := range freq {
		if f > 0 {
			b.sorted[n] = uint32(f)<<symbolBits | uint32(symbol)
			n++
		}
	}
	// Some decoders want two words at least.
	for symbol := uint32(0); n < 2; symbol++ {
		if freq[symbol] == 0 {
			b.sorted[n] = 1<<symbolBits | symbol
			n++
		}
	}
	b.sort(n)
	count := b.depths(n, most)
	// The rarest symbols, which come first, get the longest words.
	k := 0
	for length := most; length > 0; length-- {
		for range count[length] {
			c.lengths[b.sorted[k]%(1<<symbolBits)] = uint8(length)
			k++
		}
	}
	c.assign(len(freq), count)
}

// assign gives each symbol below n its word, by the lengths, of which count says
// how often each occurs.
func (c *code) assign(n int, count [maxCode + 1]int) {
	var next [maxCode + 1]uint16
	first := 0
	for length := 1; length < len(next); length++ {
		next[length] = uint16(first)
		first = (first + count[length]) << 1
	}
	for symbol, length := range c.lengths[:n] {
		if length > 0 {
			c.words[symbol] = word(bits.Reverse16(next[length])>>(16-length))<<lengthBits | word(length)
			next[length]++
		}
	}
}

// sort sorts the first n symbols by frequency, one byte of it after the other.
func (b *builder) sort(n int) {
	if n < 20 {
		slices.Sort(b.sorted[:n])
		return
	}
	most := uint32(0)
	for _, v := range b.sorted[:n] {
		most = max(most, v)
	}
	for shift := symbolBits; most>>shift > 0; shift += 8 {
		var at [256]uint16
		for _, v := range b.sorted[:n] {
			at[v>>shift%256]++
		}
		sum := uint16(0)
		for i, count := range at {
			at[i] = sum
			sum += count
		}
		for _, v := range b.sorted[:n] {
			to := &at[v>>shift%256]
			b.spare[*to] = v
			*to++
		}
		b.sorted, b.spare = b.spare, b.sorted
	}
}

// depths returns how many of the first n symbols get words of each length.
func (b *builder) depths(n, most int) (count [maxCode + 1]int) {
	w := b.weights[:n]
	for i := range w {
		w[i] = b.sorted[i] >> symbolBits
	}
	// Always the two lightest trees are joined: of the leaves not used yet, from
	// leaf on, and of the joined ones, w[root:joined]. A joined tree takes the place
	// of a leaf that is used, and then holds the place of its parent.
	leaf, root := 0, 0
	for joined := range n - 1 {
		sum := uint32(0)
		for range 2 {
			if leaf == n || root < joined && w[root] < w[leaf] {
				sum += w[root]
				w[root] = uint32(joined)
				root++
			} else {
				sum += w[leaf]
				leaf++
			}
		}
		w[joined] = sum
	}
	// From the root down, places become depths. What a level has room for beyond
	// its inner nodes are leaves.
	w[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		w[i] = w[w[i]] + 1
	}
	room, inner := 1, n-2
	for depth := uint32(0); room > 0; depth++ {
		level := 0
		for inner >= 0 && w[inner] == depth {
			level++
			inner--
		}
		count[min(int(depth), most)] += room - level
		room = 2 * level
	}
	shorten(&count, most)
	return count
}

// shorten repairs a code some of whose words were cut to most bits.
func shorten(count *[maxCode + 1]int, most int) {
	over := -1 << most
	for length := 1; length <= most; length++ {
		over += count[length] << (most - length)
	}
	// A word of most bits moves next to a shorter one, which becomes a bit longer.
	for ; over > 0; over-- {
		length := most - 1
		for count[length] == 0 {
			length--
		}
		count[length]--
		count[length+1] += 2
		count[most]--
	}
}

// The code of blocks with BTYPE 01 (RFC 1951, section 3.2.6).
var fixedLits, fixedDists = fixedCodes()

func fixedCodes() (lits, dists code) {
	var count [maxCode + 1]int
	for symbol := range lits.lengths {
		n := fixedLength(symbol)
		lits.lengths[symbol] = n
		count[n]++
	}
	lits.assign(len(lits.lengths), count)
	for symbol := range maxDists + 2 {
		dists.lengths[symbol] = 5
	}
	dists.assign(maxDists+2, [maxCode + 1]int{5: maxDists + 2})
	return lits, dists
}

func fixedLength(symbol int) uint8 {
	switch {
	case symbol < 144, symbol >= 280:
		return 8
	case symbol < 256:
		return 9
	}
	return 7
}
