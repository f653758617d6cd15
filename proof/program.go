package proof

import (
	"context"
	"strconv"

	"github.com/seed-15847954/ropewalk/proof/node"
)

// Program returns a Starter of the server's program, each as a process of its own.
func Program(path string) Starter {
	return func(ctx context.Context, s Settings) (Server, error) {
		return node.Start(ctx, path, s.flags()...)
	}
}

func (s Settings) flags() []string {
	var all []string
	if s.Slow != "" {
		all = append(all, "--channels-slow", s.Slow)
	}
	if s.Queue != 0 {
		all = append(all, "--limits-queue", strconv.Itoa(s.Queue))
	}
	if s.History != 0 {
		all = append(all, "--channels-history", strconv.Itoa(s.History))
	}
	return all
}
