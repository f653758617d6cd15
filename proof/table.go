package proof

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Table sums results up by fault. The zero value is empty.
type Table struct {
	rows   []*row
	failed int
}

type row struct {
	fault                                 string
	runs, failed, acts                    int
	acked, delivered                      int
	lost, duplicated, reordered           int
	declared, skipped, told, open, repeat int
	took                                  time.Duration
}

// Add adds a result to the row of its fault.
func (t *Table) Add(r *Result) {
	i := slices.IndexFunc(t.rows, func(row *row) bool { return row.fault == r.Fault })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, &row{fault: r.Fault})
	}
	to, v := t.rows[i], &r.Verdict
	to.runs++
	if !r.OK() {
		to.failed++
		t.failed++
	}
	to.acts += r.Acts
	to.acked += v.Acked
	to.delivered += v.Delivered
	to.lost += v.Lost
	to.duplicated += v.Duplicated
	to.reordered += v.Reordered
	to.declared += v.DeclaredLost
	to.skipped += v.Skipped
	to.told += v.Told
	to.open += v.Indeterminate
	to.repeat += v.Repeated
	to.took += r.Took
}

// Failed returns how many runs failed.
func (t *Table) Failed() int { return t.failed }

func (t *Table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\truns\tfailed\tacts\tacked\tdelivered\tlost\tduplicated\treordered\tdeclared lost\tskipped\ttold\tindeterminate\trepeated\ttime\t")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t\n", r.fault, r.runs, r.failed, r.acts, r.acked, r.delivered,
			r.lost, r.duplicated, r.reordered, r.declared, r.skipped, r.told, r.open, r.repeat, r.took.Round(time.Second))
	}
	_ = w.Flush() // a Builder takes everything
	return b.String()
}
