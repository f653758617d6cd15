package redis

import (
	"testing"
	"testing/synctest"
	"time"
)

// What a process says that was replaced is not believed, whatever order answers come in.
func TestAccept(t *testing.T) {
	old, present, next := tag{100, "old"}, tag{200, "present"}, tag{300, "next"}
	var f fences
	for i, step := range []struct {
		tag         tag
		ok, another bool
	}{
		{old, true, true},
		{old, true, false},
		{present, true, true},
		{old, false, false},
		{present, true, false},
		{next, true, true},
		{present, false, false},
		{tag{250, "present"}, false, false},
		{tag{301, "next"}, true, false},
	} {
		if ok, another := f.accept(7, step.tag); ok != step.ok || another != step.another {
			t.Errorf("step %d: accept(%v) = %v, %v, want %v, %v", i, step.tag, ok, another, step.ok, step.another)
		}
	}
}

// A process that goes on answering is believed in the end, though another one was that began later: who
// has been replaced is not heard of for so long.
func TestAcceptInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fences
		f.accept(7, tag{200, "gave up"})
		serves, asleep := tag{150, "serves"}, tag{100, "asleep"}
		for range 4 {
			for _, refused := range []tag{serves, asleep} {
				if ok, _ := f.accept(7, refused); ok {
					t.Fatalf("%v is believed", refused)
				}
			}
			<-time.After(2 * time.Second)
		}
		for range 3 {
			if ok, _ := f.accept(7, serves); ok {
				t.Fatal("it is believed too early")
			}
			<-time.After(2 * time.Second)
		}
		if ok, another := f.accept(7, serves); !ok || !another {
			t.Error("it is not believed")
		}
	})
}

// A node that has said what it has seen believes only the process that it has said that to, or a later one.
func TestPin(t *testing.T) {
	var f fences
	old := tag{100, "old"}
	f.accept(7, old)
	f.see(7, 41)
	f.see(7, 40)
	if seen, ok := f.pin(7, tag{200, "present"}); seen != 41 || !ok {
		t.Errorf("pin = %d, %v, want 41", seen, ok)
	}
	if ok, _ := f.accept(7, tag{150, "old"}); ok {
		t.Error("the old process is believed")
	}
	if ok, _ := f.accept(7, tag{190, "present"}); !ok {
		t.Error("the present process is not believed")
	}
	if _, ok := f.pin(7, old); ok {
		t.Error("a process is pinned that was replaced")
	}
	if ok, another := f.accept(8, old); !ok || !another {
		t.Error("another partition is pinned as well")
	}
}

func TestParseTag(t *testing.T) {
	if got, err := parseTag("1700000000000-0123abcd"); err != nil || got != (tag{1700000000000, "0123abcd"}) {
		t.Errorf("parseTag = %v, %v", got, err)
	}
	for _, s := range []string{"", "-", "1-", "-a", "a-b", "1", "-1-a", "99999999999999999999-a"} {
		if got, err := parseTag(s); err == nil {
			t.Errorf("parseTag(%q) = %v, want an error", s, got)
		}
	}
}

// The slots are those of the specification of Redis Cluster, whose example is 123456789.
func TestSlotOf(t *testing.T) {
	for tag, want := range map[string]int{"123456789": 0x31c3, "": 0, "nodes": 9928} {
		if got := slotOf(tag); got != want {
			t.Errorf("slotOf(%q) = %d, want %d", tag, got, want)
		}
	}
}
