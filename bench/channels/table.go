//go:build linux

package channels

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// WriteMarkdown writes a table for each row: medians of the rounds, with the least
// and the greatest where there are several.
func (r Results) WriteMarkdown(w io.Writer) {
	for _, row := range r.Rows {
		fmt.Fprintf(w, "### %s\n\n| server |", row.Name)
		for _, m := range row.Metrics {
			fmt.Fprintf(w, " %s |", m.title())
		}
		fmt.Fprint(w, "\n|---|")
		for range row.Metrics {
			fmt.Fprint(w, "---:|")
		}
		fmt.Fprintln(w)
		for i, s := range r.Servers {
			if samples := r.samples[row.Name][i]; len(samples) > 0 {
				fmt.Fprintf(w, "| %s |", s.Title())
				for _, m := range row.Metrics {
					fmt.Fprintf(w, " %s |", m.cell(samples))
				}
				fmt.Fprintln(w)
			}
		}
		fmt.Fprintln(w)
	}
}

func (m Metric) title() string {
	if m.Unit == "" {
		return m.Name
	}
	return m.Name + ", " + m.Unit
}

func (m Metric) cell(samples []Sample) string {
	var values []float64
	for _, s := range samples {
		if v, ok := s[m]; ok && !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return "failed"
	}
	slices.Sort(values)
	median := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	if len(values) == 1 {
		return figure(median)
	}
	return fmt.Sprintf("%s (%s to %s)", figure(median), figure(values[0]), figure(values[len(values)-1]))
}

// figure writes v with three digits, or as a whole number where it has more.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v), a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
