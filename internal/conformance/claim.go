package conformance

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A Claim says that a place checks or decides rows.
type Claim struct {
	Verb string   // Checks, Security or Decides
	IDs  []string // of rows or classes
	File string   // relative to the top of the project, with slashes
	Name string   // of the test, the transcript or the heading
}

var (
	// claimStart tells lines that are meant as a claim from prose.
	claimStart = regexp.MustCompile(`^(Checks|Security|Decides) \d`)
	claimLine  = regexp.MustCompile(`^(Checks|Security|Decides) (\d+(?:-\d+)?(?:, \d+(?:-\d+)?)*)\.$`)
	testName   = regexp.MustCompile(`^(Test|Fuzz|Example)`)
)

// parseClaim reads one line without its comment mark. It returns false if the
// line claims nothing.
func parseClaim(line string) (verb string, ids []string, ok bool, err error) {
	if !claimStart.MatchString(line) {
		return "", nil, false, nil
	}
	m := claimLine.FindStringSubmatch(line)
	if m == nil {
		return "", nil, false, fmt.Errorf(`claim %q is not like "Checks 6455-71, 6455-73."`, line)
	}
	return m[1], strings.Split(m[2], ", "), true, nil
}

// unwrap splits a text into lines, those of one claim together: after a comma it
// goes on in the next line, which may repeat the verb.
func unwrap(text string) []string {
	var lines []string
	open := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if open {
			verb, _, _ := strings.Cut(lines[len(lines)-1], " ")
			lines[len(lines)-1] += " " + strings.TrimPrefix(line, verb+" ")
		} else {
			lines = append(lines, line)
		}
		open = (open || claimStart.MatchString(line)) && strings.HasSuffix(line, ",")
	}
	return lines
}

// Claims finds the claims of a project, in the order of the files' names.
func Claims(top string) ([]Claim, error) {
	var all []Claim
	var wrong []error // all of them, for they are mended together
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if ignored(rel, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		read := reader(rel)
		if read == nil {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		claims, err := read(rel, text)
		all = append(all, claims...)
		wrong = append(wrong, err)
		return nil
	})
	return all, errors.Join(append(wrong, err)...)
}

// ignored tells folders that hold nothing of the project.
func ignored(rel, name string) bool {
	return rel == "build" || rel == "bin" || name == "node_modules" || rel != "." && strings.HasPrefix(name, ".")
}

// reader returns what reads the claims of a file, or nil if it can have none.
func reader(rel string) func(file string, text []byte) ([]Claim, error) {
	switch {
	case strings.HasSuffix(rel, "_test.go"):
		return goClaims
	case strings.Contains(rel, "testdata/") && strings.HasSuffix(rel, ".txt"):
		return transcriptClaims
	case strings.HasPrefix(rel, "docs/design/") && strings.HasSuffix(rel, ".md"):
		return designClaims
	}
	return nil
}

// goClaims reads the doc comments of tests. A claim anywhere else is an error,
// for nobody would notice that it counts for nothing.
func goClaims(file string, text []byte) ([]Claim, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	tests := map[*ast.CommentGroup]string{}
	for _, decl := range tree.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && testName.MatchString(f.Name.Name) {
			tests[f.Doc] = f.Name.Name
		}
	}
	var all []Claim
	for _, group := range tree.Comments {
		for _, line := range unwrap(group.Text()) {
			verb, ids, ok, err := parseClaim(line)
			if err == nil && ok && (tests[group] == "" || verb == "Decides") {
				err = fmt.Errorf("claim %q stands above no test", line)
			}
			if err != nil {
				return all, fmt.Errorf("%v: %w", fset.Position(group.Pos()), err)
			}
			if ok {
				all = append(all, Claim{Verb: verb, IDs: ids, File: file, Name: tests[group]})
			}
		}
	}
	return all, nil
}

// transcriptClaims reads the comments of blocks, which empty lines end. A
// block's name is the first line of its comment that is no claim.
func transcriptClaims(file string, text []byte) ([]Claim, error) {
	var all []Claim
	for block := range strings.SplitSeq(string(text), "\n\n") {
		name, first := "", len(all)
		for _, comment := range unwrap(comments(block)) {
			verb, ids, ok, err := parseClaim(comment)
			switch {
			case err != nil:
				return all, fmt.Errorf("%s: %w", file, err)
			case ok:
				all = append(all, Claim{Verb: verb, IDs: ids, File: file})
			case name == "":
				name = strings.TrimSuffix(comment, ".")
			}
		}
		for i := range all[first:] {
			all[first+i].Name = name
		}
	}
	return all, nil
}

// comments returns the lines of a block that begin with #, without it.
func comments(block string) string {
	var b strings.Builder
	for line := range strings.Lines(block) {
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			b.WriteString(comment)
		}
	}
	return b.String()
}

// designClaims reads a Markdown page. The name of a claim is the heading above it.
func designClaims(file string, text []byte) ([]Claim, error) {
	var all []Claim
	heading := ""
	for _, line := range unwrap(string(text)) {
		if h := strings.TrimLeft(line, "#"); h != line {
			heading = strings.TrimSpace(h)
		}
		verb, ids, ok, err := parseClaim(line)
		if err == nil && ok && verb != "Decides" {
			err = fmt.Errorf("claim %q stands above no test", line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if ok {
			all = append(all, Claim{Verb: verb, IDs: ids, File: file, Name: heading})
		}
	}
	return all, nil
}
