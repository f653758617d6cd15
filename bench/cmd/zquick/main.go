// throwaway
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/bench/load"
	"github.com/seed-15847954/ropewalk/bench/process"
)

func must(err error) {
	if err != nil {
		fmt.Println("ERR", err)
		os.Exit(1)
	}
}

func main() {
	kind := os.Args[1] // echo:size:conns:flight | bcast:conns:flight | idle:n | storm:n
	d := 600 * time.Millisecond
	f := strings.Split(kind, ":")
	n := func(i int) int { var v int; fmt.Sscan(f[i], &v); return v }
	for _, spec := range os.Args[2:] {
		args := strings.Fields(spec)
		raw := strings.Contains(args[0], "rawgo")
		if f[0] == "bcast" {
			args = append(args, "-mode", "broadcast")
		}
		s, err := process.Start(process.Processors{1}, args[0], args[1:]...)
		must(err)
		t := load.Target{Addr: s.Addr, Raw: raw}
		var c0, c1 time.Duration
		k := 0
		mark := func() error {
			c, err := s.CPU()
			if k == 0 {
				c0 = c
			} else {
				c1 = c
			}
			k++
			return err
		}
		switch f[0] {
		case "echo":
			r, err := load.Echo{Target: t, Stream: load.Messages(n(1), raw), Connections: n(2), InFlight: n(3), Warm: d / 3, Time: d, Mark: mark}.Run()
			must(err)
			fmt.Printf("%-40s %8.3f us/msg  %8.0f msg/s p50 %v p99 %v\n", spec, float64((c1-c0).Nanoseconds())/1000/float64(r.Messages), float64(r.Messages)/r.Time.Seconds(), r.Latencies.Quantile(.5), r.Latencies.Quantile(.99))
		case "bcast":
			r, err := load.Broadcast{Target: t, Stream: load.Messages(128, raw), Connections: n(1), InFlight: n(2), Warm: d, Time: 3 * d, Joined: s.Settle, Mark: mark}.Run()
			must(err)
			fmt.Printf("%-40s %8.3f us/delivery  %8.0f /s p50 %v p99 %v\n", spec, float64((c1-c0).Nanoseconds())/1000/float64(r.Messages), float64(r.Messages)/r.Time.Seconds(), r.Latencies.Quantile(.5), r.Latencies.Quantile(.99))
		case "idle":
			var m []int64
			must(load.Idle{Target: t, Stream: load.Messages(125, raw), Connections: n(1), Messages: 2, Mark: func() error {
				_ = s.Settle()
				must(s.Tidy())
				must(s.Tidy())
				r, err := s.Resident()
				m = append(m, r)
				return err
			}}.Run())
			fmt.Printf("%-40s before %d: %.0f after open, %.0f after message\n", spec, m[0], float64(m[len(m)-2]-m[0])/float64(n(1)), float64(m[len(m)-1]-m[0])/float64(n(1)))
		case "storm":
			must(load.Storm{Target: t, Count: n(1), Mark: mark}.Run())
			fmt.Printf("%-40s %8.2f us/handshake\n", spec, float64((c1-c0).Nanoseconds())/1000/float64(n(1)))
		}
		s.Stop()
	}
}
