package deflate

import "math/bits"

// Messages are searched in one of two ways. The thorough one is for little data,
// history included: it finds more repeats, and those of four bytes pay when none
// are far away. Its table stays in the processor's nearest cache and is cleared
// in no time.
const (
	quickSize    = 8 << 10 // more than that is much
	thoroughBits = 12      // of an index of the table
	quickBits    = 14

	// A repeat of that length is taken without a look at the next place.
	longEnough = 10

	// After so many bytes without a repeat, 1<<skipBits, the steps get longer.
	skipBits = 6
)

// thoroughHash depends on the first minMatch bytes of v, quickHash on one more.
func thoroughHash(v uint64) uint32 {
	return uint32(v) * 0x9e3779b1 >> (32 - thoroughBits)
}

func quickHash(v uint64) uint32 {
	return uint32(v << 24 * 0x9e3779b185ebca87 >> (64 - quickBits))
}

// index makes the places before end known.
func (s *searcher) index(end int) {
	at := s.base
	for i := 0; i+wordSize <= end; i += 4 {
		v := s.word(uint16(i))
		if s.quick {
			s.table[quickHash(v)] = uint32(at)
			s.table[quickHash(v>>16)] = uint32(at + 2)
		} else {
			s.put(v, at)
			s.put(v>>8, at+1)
			s.put(v>>16, at+2)
			s.put(v>>24, at+3)
		}
		at += 4
	}
}

// put makes a place with the bytes v known to the thorough search.
func (s *searcher) put(v uint64, at uint16) {
	p := &s.table[thoroughHash(v)]
	*p = *p<<16 | uint32(at)
}

// searchQuick takes the first repeat that it sees.
func (s *searcher) searchQuick() {
	base, window := s.base, s.window
	at, last := s.from, s.end-wordSize
	for i := at; i <= last && len(s.sequences) < maxSequences; {
		j := uint16(i)
		v := s.word(j)
		p := &s.table[quickHash(v)]
		dist := base + j - uint16(*p)
		*p = uint32(base + j)
		x := v ^ s.word(j-dist)
		if uint32(x) != 0 || dist-1 >= min(window, j) {
			i += 1 + (i-at)>>skipBits
			continue
		}
		length := bits.TrailingZeros64(x) / 8
		if length == wordSize {
			length = s.extend(i, int(dist))
		}
		i = s.add(i, length, int(dist))
		at = i
		if i <= last {
			s.table[quickHash(s.word(uint16(i-1)))] = uint32(base + uint16(i-1))
		}
	}
}

// searchThoroughly takes the longer of two repeats, or one that begins a byte
// later and is longer yet.
func (s *searcher) searchThoroughly() {
	base, window := s.base, s.window
	at, last := s.from, s.end-wordSize
	for i := at; i <= last && len(s.sequences) < maxSequences; {
		j := uint16(i)
		v := s.word(j)
		p := &s.table[thoroughHash(v)]
		found := *p
		*p = found<<16 | uint32(base+j)
		near, far := base+j-uint16(found), base+j-uint16(found>>16)
		most := min(window, j)
		if (uint32(v^s.word(j-near)) != 0 || near-1 >= most) && (uint32(v^s.word(j-far)) != 0 || far-1 >= most) {
			i += 1 + (i-at)>>skipBits
			continue
		}
		length, dist := s.longer(j, near, far)
		if length < longEnough && i < last {
			found := s.table[thoroughHash(v>>8)]
			s.put(v>>8, base+j+1)
			if n, d := s.longer(j+1, base+j+1-uint16(found), base+j+1-uint16(found>>16)); n > length+1 {
				i, length, dist = i+1, n, d
			}
		}
		i = s.add(i, length, dist)
		at = i
		if i <= last {
			s.put(s.word(uint16(i-1)), base+uint16(i-1))
		}
	}
}

// longer returns the longer of the repeats at i of what is near and far before,
// and how far. Less than minMatch means that there is none.
func (s *searcher) longer(i, near, far uint16) (length, dist int) {
	// Which one it is cannot be foretold, so there are few branches.
	v, most := s.word(i), min(s.window, i)
	n := bits.TrailingZeros64(v^s.word(i-near)) / 8
	if near-1 >= most {
		n = 0
	}
	m := bits.TrailingZeros64(v^s.word(i-far)) / 8
	if far-1 >= most {
		m = 0
	}
	if n == wordSize {
		n = s.extend(int(i), int(near))
	}
	if m == wordSize {
		m = s.extend(int(i), int(far))
	}
	if m > n {
		return m, int(far)
	}
	return n, int(near)
}
