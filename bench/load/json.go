//go:build linux

package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// documents returns count different documents of exactly size bytes, as a feed of
// prices sends them: keys that come again and again, values that do not.
func documents(size, count int) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, count)
	for i := range all {
		var b strings.Builder
		fmt.Fprintf(&b, `{"channel":"prices","offset":%d,"data":[`, 100_000+i)
		for b.Len() < size {
			fmt.Fprintf(&b, `{"symbol":"%c%c%c","bid":%.4f,"ask":%.4f,"volume":%d,"at":%d},`,
				'A'+random.IntN(26), 'A'+random.IntN(26), 'A'+random.IntN(26),
				10+90*random.Float64(), 10+90*random.Float64(), random.IntN(1_000_000), 1_790_000_000_000+random.Int64N(1e9))
		}
		all[i] = []byte(b.String()[:size-2] + "]}")
	}
	return all
}
