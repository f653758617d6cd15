//go:build linux

package main

import (
	"testing"

	"github.com/seed-15847954/ropewalk/bench/compare"
	"github.com/seed-15847954/ropewalk/bench/peer"
)

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		args        []string
		rows, peers int
	}{
		{nil, len(compare.Rows(compare.Full())), len(peer.All())},
		{[]string{"-rows", "echo 125 B, 100 conn", "-peers", "gws,ropewalk"}, 2, 4},
		{[]string{"-quick", "-peers", "TCP"}, 10, 1},
	} {
		o, err := parse(tt.args)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := o.chooseRows(compare.Rows(o.scale))
		if err != nil || len(rows) != tt.rows {
			t.Errorf("parse(%q): %d rows, %v, want %d", tt.args, len(rows), err, tt.rows)
		}
		peers, err := o.choosePeers(peer.All())
		if err != nil || len(peers) != tt.peers {
			t.Errorf("parse(%q): %d peers, %v, want %d", tt.args, len(peers), err, tt.peers)
		}
	}
}

func TestChooseNothing(t *testing.T) {
	if _, err := parse([]string{"-rows", "("}); err == nil {
		t.Error("parse of a wrong regexp: no error")
	}
	for _, args := range [][]string{{"-rows", "no such row"}, {"-peers", "nobody"}} {
		o, err := parse(args)
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.chooseRows(compare.Rows(o.scale))
		if err == nil {
			_, err = o.choosePeers(peer.All())
		}
		if err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestReplace(t *testing.T) {
	got, err := replace("a\n"+begin+"old"+end+"\nz\n", "new\n\n")
	if want := "a\n" + begin + "\nnew\n\n" + end + "\nz\n"; got != want || err != nil {
		t.Errorf("replace = %q, %v, want %q", got, err, want)
	}
	if _, err := replace("a\n"+begin, "new"); err == nil {
		t.Error("replace in a page without the end mark: no error")
	}
}
