package hub_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestPatternMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"news", "news", true},
		{"news", "new", false},
		{"news", "newsy", false},
		{"news.*", "news.sport", true},
		{"news.*", "news.", true},
		{"news.*", "news.sport.football", false},
		{"news.**", "news.sport.football", true},
		{"*.football", "sport.football", true},
		{"*.football", "news.sport.football", false},
		{"**.football", "news.sport.football", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"**a*b", "a.xa-b", true},
		{"**a*b", "ab.b", false},
		{"**", "anything.at.all", true},
		{"*", "", true},
		{"日*", "日本", true},
	} {
		p, err := hub.ParsePattern(c.pattern)
		if err != nil {
			t.Fatalf("ParsePattern(%q) = %v", c.pattern, err)
		}
		if got := p.Match(c.name); got != c.want {
			t.Errorf("pattern %q: Match(%q) = %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

func TestParsePattern(t *testing.T) {
	for _, s := range []string{"", "a\nb", "a***b", strings.Repeat("*a", 9)} {
		if _, err := hub.ParsePattern(s); !errors.Is(err, hub.ErrPattern) {
			t.Errorf("ParsePattern(%q) = %v, want an error of ErrPattern", s, err)
		}
	}
}

// A pattern means what the regular expression of the same meaning does.
func FuzzPattern(f *testing.F) {
	f.Add("news.*", "news.sport")
	f.Add("**a*b**", "x.axb.")
	f.Add("*a**.*b", "aa..b.b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := hub.ParsePattern(pattern)
		if err != nil || hub.CheckChannel(name) != nil {
			t.Skip()
		}
		e := regexp.QuoteMeta(pattern)
		e = strings.ReplaceAll(e, `\*\*`, `(?s:.*)`)
		e = strings.ReplaceAll(e, `\*`, `[^.]*`)
		want := regexp.MustCompile(`\A` + e + `\z`).MatchString(name)
		if got := p.Match(name); got != want {
			t.Fatalf("pattern %q: Match(%q) = %v, want %v", pattern, name, got, want)
		}
	})
}

func TestHealthChannelIsApart(t *testing.T) {
	for _, text := range []string{"**", "*.*", hub.HealthChannel} {
		p, err := hub.ParsePattern(text)
		if err != nil || p.Match(hub.HealthChannel) {
			t.Errorf("%q matches, %v", text, err)
		}
	}
	h := hub.New(newFake(), hub.Config{Default: hub.Options{History: 10, HistoryTime: time.Hour, Presence: true}})
	if o := *h.Options(hub.HealthChannel); o != (hub.Options{}) {
		t.Errorf("its options are %+v", o)
	}
}
