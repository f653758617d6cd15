//go:build linux

package compare

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteHead writes the medians of the rows that matter most.
func (r Results) WriteHead(w io.Writer) {
	r.head(w, func(row Row, peer int) string { return figure(median(r.values(row, peer, row.Metrics[0]))) })
}

// WriteMarkdown writes all tables: first the rows that matter most, and what the
// others need of what the first peer needs; then everything.
func (r Results) WriteMarkdown(w io.Writer) {
	fmt.Fprintf(w, "### The rows that matter most: medians\n\n")
	r.WriteHead(w)
	fmt.Fprintf(w, "### The same as ratios to %s, within a round: medians\n\n", r.Peers[0].Name)
	r.head(w, func(row Row, peer int) string {
		return figure(median(r.ratios(row, peer, row.Metrics[0])))
	})
	var metrics []Metric
	for _, row := range r.Rows {
		for _, m := range row.Metrics {
			if !slices.Contains(metrics, m) {
				metrics = append(metrics, m)
			}
		}
	}
	for _, m := range metrics {
		r.all(w, m)
	}
	for _, failure := range r.Failures {
		fmt.Fprintf(w, "- FAILED: %s\n", strings.ReplaceAll(failure, "\n", "\n  "))
	}
}

func (r Results) head(w io.Writer, cell func(row Row, peer int) string) {
	r.header(w, "")
	for _, row := range r.Rows {
		if !row.Head {
			continue
		}
		fmt.Fprintf(w, "| %s: %s |", row.Name, row.Metrics[0])
		for i := range r.Peers {
			fmt.Fprintf(w, " %s |", cell(row, i))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

// all writes the table of one metric, with the range of the rounds.
func (r Results) all(w io.Writer, m Metric) {
	fmt.Fprintf(w, "### %s\n\n", capital(string(m)))
	r.header(w, "median (range)")
	for _, row := range r.Rows {
		if !slices.Contains(row.Metrics, m) {
			continue
		}
		fmt.Fprintf(w, "| %s |", row.Name)
		for i := range r.Peers {
			fmt.Fprintf(w, " %s |", spread(r.values(row, i, m)))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func (r Results) header(w io.Writer, corner string) {
	fmt.Fprintf(w, "| %s |", corner)
	for _, p := range r.Peers {
		fmt.Fprintf(w, " %s |", p.Name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", len(r.Peers)))
}

// values returns a metric of the rounds that measured it.
func (r Results) values(row Row, peer int, m Metric) []float64 {
	var values []float64
	for _, s := range r.samples[row.Name][peer] {
		if v, ok := s[m]; ok {
			values = append(values, v)
		}
	}
	return values
}

// ratios returns what a metric is of the first peer's, round by round.
func (r Results) ratios(row Row, peer int, m Metric) []float64 {
	var ratios []float64
	samples := r.samples[row.Name]
	for round, s := range samples[peer] {
		if round >= len(samples[0]) {
			break
		}
		v, ok := s[m]
		if ours := samples[0][round][m]; ok && ours > 0 {
			ratios = append(ratios, v/ours)
		}
	}
	return ratios
}

func spread(values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%s–%s)", figure(median(values)), figure(slices.Min(values)), figure(slices.Max(values)))
}

// median returns the middle of values, and less than nothing if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return -1
	}
	s := slices.Sorted(slices.Values(values))
	return (s[len(s)/2] + s[(len(s)-1)/2]) / 2
}

// figure returns v with three digits that count.
func figure(v float64) string {
	switch {
	case v < 0:
		return "-"
	case v >= 1e7:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 100:
		return thousands(int(v + 0.5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
