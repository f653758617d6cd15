package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the generator writes: nobody edits it by hand, and a
// change of the generator is not forgotten.
func TestCommittedIsGenerated(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Errorf("generate() wrote %d files, want 2", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "frame", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator writes: run `go generate ./websocket/frame`", name)
		}
	}
}

// Each pair of bytes that UTF-8 has not is in a set, and no other.
func TestPairs(t *testing.T) {
	tables := tables()
	for prev := range 256 {
		for cur := range 256 {
			got := tables.prevHigh[prev>>4] & tables.prevLow[prev&15] & tables.curHigh[cur>>4]
			if want := wrong(byte(prev), byte(cur)); got&^continues != 0 != want {
				t.Errorf("tables of %02x %02x = %08b, want wrong = %v", prev, cur, got, want)
			}
			if both := prev>>6 == 2 && cur>>6 == 2; got&continues != 0 != both {
				t.Errorf("tables of %02x %02x = %08b, want the top bit = %v", prev, cur, got, both)
			}
		}
	}
}

// wrong reports whether no text has the bytes beside each other, wherever they stand.
func wrong(prev, cur byte) bool {
	goesOn := cur>>6 == 2
	low, high := byte(0x80), byte(0xbf)
	switch {
	case prev < 0x80:
		return goesOn
	case prev < 0xc0: // depends on what stands before it
		return false
	case prev < 0xc2, prev > 0xf4:
		return true
	case prev == 0xe0:
		low = 0xa0
	case prev == 0xed:
		high = 0x9f
	case prev == 0xf0:
		low = 0x90
	case prev == 0xf4:
		high = 0x8f
	}
	return cur < low || cur > high
}
