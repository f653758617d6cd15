//go:build linux

package channels

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/bench/load"
)

func TestData(t *testing.T) {
	f := newForm(size)
	data := f.data(7, 3*time.Second)
	if len(data) != size {
		t.Errorf("data of %d bytes, want %d", len(data), size)
	}
	n := 0
	message := bytes.Join([][]byte{nil, data, data, nil}, []byte(" in between "))
	err := f.each(message, func(seq int, at time.Duration) error {
		n++
		if seq != 7 || at != 3*time.Second {
			t.Errorf("each: number %d at %v, want 7 at 3s", seq, at)
		}
		return nil
	})
	if n != 2 || err != nil {
		t.Errorf("each: %d publications, %v, want 2", n, err)
	}
}

// A byte that is changed is noticed, unless it makes another number or time.
func TestDataChanged(t *testing.T) {
	f := newForm(size)
	data := f.data(7, 3*time.Second)
	for i := range data {
		if '0' <= data[i] && data[i] <= '9' {
			continue
		}
		changed := bytes.Clone(data)
		changed[i] ^= 0x20
		n := 0
		err := f.each(changed, func(int, time.Duration) error { n++; return nil })
		if err == nil && n > 0 {
			t.Errorf("byte %d changed: no error", i)
		}
	}
}

// What a crowd must notice: a gap, a publication that comes again, one that was
// changed, one of another channel, and an answer that is none.
func TestCrowdNotices(t *testing.T) {
	f := newForm(size)
	push := func(channel string, seq int) []byte {
		return []byte(`{"publication":{"channel":"` + channel + `","data":` + string(f.data(seq, 0)) + `}}`)
	}
	for _, tt := range []struct {
		name        string
		messages    [][]byte
		lost, wrong int
		failure     bool
	}{
		{name: "all is well", messages: [][]byte{push("news", 0), push("news", 1)}},
		{name: "a gap", messages: [][]byte{push("news", 0), push("news", 3)}, lost: 2},
		{name: "again", messages: [][]byte{push("news", 0), push("news", 0)}, wrong: 1},
		{name: "changed", messages: [][]byte{bytes.Replace(push("news", 0), []byte("fox"), []byte("cat"), 1)}, failure: true},
		{name: "another channel", messages: [][]byte{push("weather", 0)}, failure: true},
		{name: "nothing in it", messages: [][]byte{[]byte(`{"publication":{"channel":"news"}}`)}, failure: true},
		{name: "an error", messages: [][]byte{[]byte(`{"id":2,"error":{"code":"internal"}}`)}, failure: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &crowd{Clients: new(load.Clients), dialect: &ropewalkJSON, form: f, latencies: new(load.Latencies)}
			c.members = []*member{{channel: "news"}}
			var err error
			for _, m := range tt.messages {
				err = errors.Join(err, c.message(&load.Client{}, m))
			}
			if (err != nil) != tt.failure {
				t.Errorf("messages: %v, want an error: %t", err, tt.failure)
			}
			if c.lost != tt.lost || c.wrong != tt.wrong {
				t.Errorf("%d lost, %d wrong, want %d and %d", c.lost, c.wrong, tt.lost, tt.wrong)
			}
			if (c.verify() != nil) != (tt.lost+tt.wrong > 0) {
				t.Errorf("verify() = %v", c.verify())
			}
		})
	}
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialect Dialect
		message string
		want    []kind
	}{
		{"ropewalk reply", ropewalkJSON, `{"id":2,"subscribe":{}}`, []kind{subscribed}},
		{"ropewalk error", ropewalkJSON, `{"id":2,"error":{}}`, []kind{unknown}},
		{"ropewalk binary reply", ropewalkProtobuf, "\x0a\x04\x08\x02\x22\x00", []kind{subscribed}},
		{"ropewalk binary error", ropewalkProtobuf, "\x0a\x04\x08\x02\x12\x00", []kind{unknown}},
		{"ropewalk binary push", ropewalkProtobuf, "\x12\x00", []kind{publication}},
		{"Centrifuge lines", centrifugeJSON, "{}\n" + `{"push":{}}`, []kind{ping, publication}},
		{"Centrifuge binary", centrifugeProtobuf, "\x00\x02\x22\x00\x04\x08\x01\x2a\x00", []kind{ping, publication, connected}},
		{"Socket.IO", socketIO, `0{"sid":"x"}`, []kind{greeting}},
	} {
		var got []kind
		err := tt.dialect.each([]byte(tt.message), func(m []byte) error {
			got = append(got, tt.dialect.kind(m))
			return nil
		})
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: message %d is %v, want %v", tt.name, i, got[i], tt.want[i])
			}
		}
	}
}

func TestPosition(t *testing.T) {
	for reply, want := range map[string]*Position{
		`{"id":2,"subscribe":{"position":{"epoch":"ab","offset":17}}}`: {"ab", 17},
		`{"id":2,"subscribe":{"recoverable":true,"epoch":"ab"}}`:       {"ab", 0},
		`430[]`: nil,
	} {
		got := position([]byte(reply))
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("position(%s) = %v, want %v", reply, got, want)
		}
	}
}
