package jsonscan

import (
	"errors"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	for in, want := range map[string]string{
		`[]`:                               "",
		` [ ] `:                            "",
		`[1]`:                              "1",
		` [ 1 , "a,]" ,[2, 3],{"b":[]} ] `: `1|"a,]"|[2, 3]|{"b":[]}`,
	} {
		var got []string
		err := Elements([]byte(in), func(value []byte) error {
			got = append(got, string(value))
			return nil
		})
		if joined := strings.Join(got, "|"); joined != want || err != nil {
			t.Errorf("Elements(%s) = %s, %v, want %s", in, joined, err, want)
		}
	}
	for _, in := range []string{`{}`, `1`, `"[]"`, `null`} {
		if err := Elements([]byte(in), nil); err != ErrType {
			t.Errorf("Elements(%s) = %v, want %v", in, err, ErrType)
		}
	}
	stop := errors.New("stop")
	if err := Elements([]byte(`[1,2]`), func([]byte) error { return stop }); err != stop {
		t.Errorf("Elements = %v, want the error of the callback", err)
	}
}
