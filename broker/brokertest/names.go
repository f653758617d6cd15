package brokertest

import (
	"slices"
	"strings"

	"github.com/seed-15847954/ropewalk/hub"
)

var nameChecks = []check{
	{"no character of a name has a meaning", nil, names},
}

// oddNames are channels that a broker may take for something else, or for one another.
var oddNames = []string{
	"a", "A", "a.", "a..", ".a", "a.b", "a.b.c", "a.*", "a.>", "*", ">", "a*", "?", "[a]", "a?", "#", "a.#", "+", "a/+",
	"a b", " a", "a ", "a\u00a0b", "a/b", "a//b", "a\\b", "../a", "a:b", "a::b", "a,b", "a;b", "a|b", "a=b", "a&b", "a@b", "a~b", "a!b",
	"{a}", "{a", "a}", "$a", "$SYS.a", "__a", "a_b", "a-b", "%61", "a%2eb", "a%00", "'a'", `"a"`, "`a`", "<a>", "\u00e4", "a\u0308", "\u65e5\u672c", "\U0001F6A2", "\ufeffa", "a\u200bb", "a\u202eb",
}

// names: each channel gets what is published to it and nothing else.
func names(e *env) {
	here, there := e.nodes()
	all := slices.Clone(oddNames)
	long := strings.Repeat("x", hub.MaxChannelName-len(e.prefix)-1)
	all = append(all, long+"1", long+"2")
	inboxes, starts := map[string]*inbox{}, map[string]hub.Position{}
	for _, name := range all {
		if err := hub.CheckChannel(e.channel(name)); err != nil {
			e.Fatalf("the suite's own name %q: %v", name, err)
		}
		inboxes[name] = e.inbox()
		starts[name] = e.subscribe(here, e.channel(name), inboxes[name])
	}
	ends := map[string]hub.Position{}
	for _, word := range []string{"to ", "again to ", "at last to "} {
		for _, name := range all {
			ends[name] = e.say(there, e.channel(name), word+name)
		}
	}
	for _, name := range all {
		log := inboxes[name].await(starts[name], ends[name])
		if got, want := texts(log), []string{"to " + name, "again to " + name, "at last to " + name}; !slices.Equal(got, want) {
			e.Errorf("channel %q got %q, want %q", name, got, want)
		}
		if e.History {
			if got := len(e.read(there, e.channel(name), hub.Query{Limit: 10}).Publications); got != 3 {
				e.Errorf("channel %q keeps %d publications, want 3", name, got)
			}
		}
		if log[0].Channel != e.channel(name) {
			e.Errorf("channel %q is named %q", name, log[0].Channel)
		}
	}
	for _, name := range all {
		e.unsubscribe(here, e.channel(name))
	}
}
