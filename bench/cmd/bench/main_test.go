package main

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want options
	}{
		{[]string{"-seed=1"}, options{7, 200 * time.Millisecond, 1}},
		{[]string{"-short", "-seed=1"}, options{3, 50 * time.Millisecond, 1}},
		{[]string{"-short", "-rounds=2", "-time=1s", "-seed=9"}, options{2, time.Second, 9}},
	} {
		if got, err := parse(tt.args); err != nil || got != tt.want {
			t.Errorf("parse(%q) = %v, %v, want %v", tt.args, got, err, tt.want)
		}
	}
}
