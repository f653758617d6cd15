package handshake_test

import (
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// RFC 3492, section 7.1, and names that exist.
//
// Checks 6455-68.
func TestToASCII(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"Example.COM":              "example.com",
		"bücher.example":           "xn--bcher-kva.example",
		"BÜCHER.example":           "xn--bcher-kva.example",
		"münchen-ost.de":           "xn--mnchen-ost-9db.de",
		"ü":                        "xn--tda",
		"straße.de":                "xn--strae-oqa.de",
		"ελλάδα.gr":                "xn--hxakic4aa.gr",
		"ΕΛΛΆΔΑ.gr":                "xn--hxakic4aa.gr",
		"пример.испытание":         "xn--e1afmkfd.xn--80akhbyknj4f",
		"例え.テスト":                   "xn--r8jz45g.xn--zckzah",
		"例子.测试":                    "xn--fsqu00a.xn--0zwm56d",
		"실례.테스트":                   "xn--9n2bp8q.xn--9t4b11yi5a",
		"3年b組金八先生":                 "xn--3b-ww4c5e180e575a65lsy2b",
		"安室奈美恵-with-super-monkeys": "xn---with-super-monkeys-pc58ag80a8qai00g7n9n",
		"hello-another-way-それぞれの場所": "xn--hello-another-way--fc4qua05auwb3674vfr0b",
		"ひとつ屋根の下2":                  "xn--2-u9tlzr9756bt3uc0v",
		"majiでkoiする5秒前":             "xn--majikoi5-783gue6qz075azm5e",
		"パフィーdeルンバ":                 "xn--de-jg4avhby1noc0d",
		"そのスピードで":                   "xn--d9juau41awczczp",
		"他们为什么不说中文":                 "xn--ihqwcrb4cv8a8dqg056pqjye",
		"xn--bcher-kva.example":     "xn--bcher-kva.example",
	} {
		if got, err := handshake.ToASCII(in); err != nil || got != want {
			t.Errorf("ToASCII(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"İ", "ﬁ", "\u212a", "ſ", "a\u0301", "ｗ", "。", "١", "🙂", "\u200d", "\u00ad", "ĳ", "ẞ", "\xff", "ま\u3099"} {
		if got, err := handshake.ToASCII(in); err == nil {
			t.Errorf("ToASCII(%q) = %q, nil, want an error", in, got)
		}
	}
}
