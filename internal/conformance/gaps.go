package conformance

import "fmt"

// Gaps lists what is wrong with the claims: rows of the RFCs, and classes of attack
// that are due, which nothing checks, and claims about rows that there are none of.
func Gaps(claims []Claim) []string {
	var gaps []string
	by := index(claims)
	known := map[key]bool{}
	for _, r := range Rows() {
		known[key{"Checks", r.ID}] = true
		known[key{"Decides", r.ID}] = true
		if len(rowPlaces(r.ID, by)) == 0 {
			gaps = append(gaps, fmt.Sprintf("%s (%s, %s): nothing checks or decides: %s", r.ID, r.Section, r.Level, r.Requirement))
		}
	}
	for _, c := range Classes() {
		known[key{"Security", c.ID}] = true
		if c.Due == "now" && len(by[key{"Security", c.ID}]) == 0 {
			gaps = append(gaps, fmt.Sprintf("security class %s: nothing checks: %s", c.ID, c.Name))
		}
	}
	for _, c := range claims {
		for _, id := range c.IDs {
			if !known[key{c.Verb, id}] {
				gaps = append(gaps, fmt.Sprintf("%s: %s: %s names no row: %s", c.File, c.Name, c.Verb, id))
			}
		}
	}
	return gaps
}
