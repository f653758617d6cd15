package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// channelMetrics reads what the hub and the sessions count, when it is asked for.
type channelMetrics struct {
	hub  *hub.Hub
	slow *session.Stats
}

// A described is a metric of channelMetrics.
type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string) described {
	return described{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) described {
	return described{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

var (
	channelsMetric      = gauge("ropewalk_channels", "Channels with subscribers.")
	subscriptionsMetric = gauge("ropewalk_subscriptions", "Subscriptions of channels.")
	patternsMetric      = gauge("ropewalk_patterns", "Patterns with subscribers.")
	tailMetric          = gauge("ropewalk_tail_bytes", "Memory that recent publications take for recoveries.")
	publicationsMetric  = counter("ropewalk_publications_total", "Publications that clients and back ends of this node handed in.")
	recoveriesMetric    = counter("ropewalk_recoveries_total", "Recoveries of subscriptions by where the publications came from (tail, broker), or failed.", "from")
	readsMetric         = counter("ropewalk_history_reads_total", "Reads of the broker's history to recover or repair.")
	gapsMetric          = counter("ropewalk_gaps_total", "Breaks of continuity between the broker and this node.")
	repairedMetric      = counter("ropewalk_gaps_repaired_total", "Breaks of continuity that were filled from history.")
	lostMetric          = counter("ropewalk_subscriptions_lost_total", "Subscriptions that ended since history could not fill a gap.")
	slowMetric          = counter("ropewalk_slow_consumers_total", "Slow consumers by outcome: disconnected sessions, and times that a subscription lagged.", "outcome")
	leftOutMetric       = counter("ropewalk_publications_left_out_total", "Publications that slow consumers did not get, by reason.", "reason")
)

// Describe implements prometheus.Collector.
func (c *channelMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect implements prometheus.Collector.
func (c *channelMetrics) Collect(to chan<- prometheus.Metric) {
	put := func(d described, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d.desc, d.kind, value, labels...)
	}
	h := c.hub.Stats()
	put(channelsMetric, float64(h.Channels))
	put(subscriptionsMetric, float64(h.Subscriptions))
	put(patternsMetric, float64(h.Patterns))
	put(tailMetric, float64(h.TailBytes))
	put(publicationsMetric, float64(h.Published))
	put(recoveriesMetric, float64(h.RecoveredTail), "tail")
	put(recoveriesMetric, float64(h.RecoveredBroker), "broker")
	put(recoveriesMetric, float64(h.NotRecovered), "failed")
	put(readsMetric, float64(h.Reads))
	put(gapsMetric, float64(h.Gaps))
	put(repairedMetric, float64(h.Repaired))
	put(lostMetric, float64(h.Lost))
	put(slowMetric, float64(c.slow.Disconnected.Load()), "disconnected")
	put(slowMetric, float64(c.slow.Lagged.Load()), "lagged")
	put(leftOutMetric, float64(c.slow.Dropped.Load()), string(session.SkipDropped))
	put(leftOutMetric, float64(c.slow.Conflated.Load()), string(session.SkipConflated))
	put(leftOutMetric, float64(c.slow.Latest.Load()), string(session.SkipLatest))
}
