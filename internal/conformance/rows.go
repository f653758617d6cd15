package conformance

import (
	_ "embed"
	"strings"
)

// A Row is one requirement of an RFC.
type Row struct {
	ID          string // "6455-71": the RFC, and a number
	Section     string
	Level       string // MUST, SHOULD ...; "-" where the RFC has no key word
	Who         string // C client, S server, B both, P intermediary
	Requirement string
	Check       string // how it can be seen from outside
	Autobahn    string // cases of that test suite, if any
}

// RFC returns the number before the dash.
func (r Row) RFC() string {
	rfc, _, _ := strings.Cut(r.ID, "-")
	return rfc
}

// A Class is one class of attack.
type Class struct {
	ID    string // a number
	Name  string
	Shows string // what a test shows
	Due   string // "now", or when a test is due
}

//go:embed rfc.tsv
var rfcTable string

//go:embed security.tsv
var securityTable string

// Rows returns the requirements, in the order of the RFCs.
func Rows() []Row {
	var all []Row
	for _, f := range fields(rfcTable, 7) {
		all = append(all, Row{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	return all
}

// Classes returns the classes of attack.
func Classes() []Class {
	var all []Class
	for _, f := range fields(securityTable, 4) {
		all = append(all, Class{f[0], f[1], f[2], f[3]})
	}
	return all
}

// fields splits a table of n columns and leaves out its heading.
func fields(table string, n int) [][]string {
	var all [][]string
	for i, line := range strings.Split(strings.TrimSuffix(table, "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != n {
			panic("conformance: not " + string(rune('0'+n)) + " columns: " + line)
		}
		if i > 0 {
			all = append(all, f)
		}
	}
	return all
}
