package inmemory

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteMarkdown writes a table with a row for each case, and one with a row for
// each case and library.
func (r Results) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	r.summary(&b)
	b.WriteByte('\n')
	r.details(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// summary writes the medians, with their ratio to the first library.
func (r Results) summary(b *strings.Builder) {
	b.WriteString("| ns a message (ratio to " + r.Libraries[0].Name + ") |")
	for _, lib := range r.Libraries {
		b.WriteString(" " + lib.Name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(r.Libraries)) + "\n")
	for _, c := range r.Cases {
		fmt.Fprintf(b, "| %s |", c)
		for l := range r.Libraries {
			fmt.Fprintf(b, " %s", number(median(r.values(c, l, nanoseconds))))
			if l > 0 {
				fmt.Fprintf(b, " (%.2f)", median(r.ratios(c, l)))
			}
			b.WriteString(" |")
		}
		b.WriteByte('\n')
	}
}

func (r Results) details(b *strings.Builder) {
	b.WriteString("| case | library | ns/op | range | ratio | range | B/op | allocs/op | calls/op |\n")
	b.WriteString("|---|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, c := range r.Cases {
		for l, lib := range r.Libraries {
			ns, ratios := r.values(c, l, nanoseconds), r.ratios(c, l)
			fmt.Fprintf(b, "| %s | %s | %s | %s to %s | %.2f | %.2f to %.2f | %.0f | %.0f | %s |\n", c, lib.Name,
				number(median(ns)), number(slices.Min(ns)), number(slices.Max(ns)),
				median(ratios), slices.Min(ratios), slices.Max(ratios),
				median(r.values(c, l, func(s Sample) float64 { return s.Bytes })),
				median(r.values(c, l, func(s Sample) float64 { return s.Allocations })),
				number(median(r.values(c, l, func(s Sample) float64 { return s.Calls }))))
		}
	}
}

func nanoseconds(s Sample) float64 { return s.Nanoseconds }

// values returns one value a round.
func (r Results) values(c Case, lib int, of func(Sample) float64) []float64 {
	var values []float64
	for _, s := range r.samples[c.String()][lib] {
		values = append(values, of(s))
	}
	return values
}

// ratios returns, for each round, the time of lib over that of the first library.
// Both were measured within seconds of each other.
func (r Results) ratios(c Case, lib int) []float64 {
	own := r.values(c, 0, nanoseconds)
	ratios := r.values(c, lib, nanoseconds)
	for i := range ratios {
		ratios[i] /= own[i]
	}
	return ratios
}

// median returns the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// number writes f with about three digits, or one if it is small.
func number(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	case f > 0 && f < 0.1:
		return fmt.Sprintf("%.1g", f)
	}
	return fmt.Sprintf("%.2f", f)
}
