package memory

import (
	"testing"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/hub"
)

func TestSuite(t *testing.T) {
	brokertest.Run(t, brokertest.Config{
		Open:   func(testing.TB) hub.Broker { return New(Config{}) },
		Claims: brokertest.Claims{History: true, Presence: true, Patterns: true, Expect: true, Dedup: true},
	})
}
