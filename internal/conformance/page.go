package conformance

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A Page is one generated file.
type Page struct {
	File string // relative to the top of the project
	Text string
}

// An RFC has a section of the page.
type rfc struct{ number, title string }

var rfcs = []rfc{
	{"6455", "RFC 6455: the WebSocket protocol"},
	{"7692", "RFC 7692: permessage-deflate"},
	{"8441", "RFC 8441: WebSocket over HTTP/2"},
	{"9220", "RFC 9220: WebSocket over HTTP/3"},
}

// Pages generates the reference pages from the claims.
func Pages(claims []Claim) []Page {
	by := index(claims)
	return []Page{
		{"docs/reference/conformance.md", rfcPage(by)},
		{"docs/reference/security-classes.md", securityPage(by)},
	}
}

// key names what a claim is about.
type key struct{ verb, id string }

func index(claims []Claim) map[key][]Claim {
	by := map[key][]Claim{}
	for _, c := range claims {
		for _, id := range c.IDs {
			by[key{c.Verb, id}] = append(by[key{c.Verb, id}], c)
		}
	}
	return by
}

func rfcPage(by map[key][]Claim) string {
	var b strings.Builder
	b.WriteString("# Conformance\n\n" + generated +
		"Each requirement of the RFCs that binds an endpoint, in our own words, with the tests that check it or the\n" +
		"design page that decides about it. Who is bound: C the client, S the server, B both, P an intermediary.\n")
	for _, rfc := range rfcs {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", rfc.title, summary(rfc, by))
		b.WriteString("| id | § | level | who | requirement | checked by |\n|---|---|---|---|---|---|\n")
		for _, r := range Rows() {
			if r.RFC() == rfc.number {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
					r.ID, r.Section, r.Level, r.Who, r.Requirement, places(rowPlaces(r.ID, by)))
			}
		}
	}
	return b.String()
}

const generated = "Generated from the tests by `make generate`; changes by hand are lost.\n\n"

// summary counts the rows of an RFC.
func summary(rfc rfc, by map[key][]Claim) string {
	var rows, tested, decided int
	for _, r := range Rows() {
		switch {
		case r.RFC() != rfc.number:
			continue
		case len(by[key{"Checks", r.ID}]) > 0:
			tested++
		case len(by[key{"Decides", r.ID}]) > 0:
			decided++
		}
		rows++
	}
	return fmt.Sprintf("%d rows: %d checked by tests, %d decided in a design page.\n", rows, tested, decided)
}

// rowPlaces returns where a row is checked, then where it is decided.
func rowPlaces(id string, by map[key][]Claim) []Claim {
	return slices.Concat(by[key{"Checks", id}], by[key{"Decides", id}])
}

func securityPage(by map[key][]Claim) string {
	var b strings.Builder
	b.WriteString("# Classes of attack\n\n" + generated +
		"Each row is a class of attack that has broken WebSocket libraries or servers, with the tests that look for it.\n\n" +
		"| # | class | what a test shows | tests |\n|---|---|---|---|\n")
	for _, c := range Classes() {
		tests := places(by[key{"Security", c.ID}])
		if c.Due != "now" && tests == none {
			tests = "due " + c.Due
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.ID, c.Name, c.Shows, tests)
	}
	return b.String()
}

const none = "**none**"

// places lists claims as links for a page in docs/reference.
func places(claims []Claim) string {
	if len(claims) == 0 {
		return none
	}
	var links []string
	for _, c := range claims {
		if l := c.link(); !slices.Contains(links, l) {
			links = append(links, l)
		}
	}
	return strings.Join(links, "<br>")
}

// link points from docs/reference to the claim.
func (c Claim) link() string {
	switch {
	case c.Verb == "Decides":
		return fmt.Sprintf("decided: [%s](../design/%s#%s)", c.Name, path.Base(c.File), anchor(c.Name))
	case strings.HasSuffix(c.File, ".txt"):
		return fmt.Sprintf("[%s](../../%s): %s", path.Base(c.File), c.File, strings.ReplaceAll(c.Name, "|", `\|`))
	default:
		return fmt.Sprintf("[%s](../../%s)", c.Name, c.File)
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// anchor is the name that Markdown viewers give to a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
