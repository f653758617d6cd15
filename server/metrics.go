package server

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-15847954/ropewalk/protocol/native"
)

// metrics is the native.Observer that counts for Prometheus. Every label has a
// fixed set of values: what clients choose never becomes one.
type metrics struct {
	registry    *prometheus.Registry
	connections prometheus.Gauge
	messages    *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	handshakes  *prometheus.CounterVec
	closes      *prometheus.CounterVec

	// What the label values of every message lead to, looked up once.
	messagesIn, messagesOut prometheus.Counter
	bytesIn, bytesOut       prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ropewalk_connections", Help: "Open WebSocket connections.",
		}),
		messages:   counters("ropewalk_messages_total", "WebSocket messages from (in) and to (out) clients.", "direction"),
		bytes:      counters("ropewalk_bytes_total", "Payload bytes of WebSocket messages, uncompressed.", "direction"),
		handshakes: counters("ropewalk_handshakes_total", "Opening handshakes by status of the answer; 101 is a success.", "status"),
		closes:     counters("ropewalk_closes_total", "Ended connections by close code.", "code"),
	}
	m.messagesIn, m.messagesOut = m.messages.WithLabelValues("in"), m.messages.WithLabelValues("out")
	m.bytesIn, m.bytesOut = m.bytes.WithLabelValues("in"), m.bytes.WithLabelValues("out")
	m.registry.MustRegister(
		m.connections, m.messages, m.bytes, m.handshakes, m.closes,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return m
}

func counters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}

// gauge adds a value that is asked for when metrics are read.
func (m *metrics) gauge(name, help string, value func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		return float64(value())
	}))
}

// insecure adds a series for each setting that gives up protection.
func (m *metrics) insecure(settings []string) {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ropewalk_insecure_settings", Help: "1 for each setting in use that gives up protection.",
	}, []string{"setting"})
	for _, setting := range settings {
		vec.WithLabelValues(setting).Set(1)
	}
	m.registry.MustRegister(vec)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) Opened() {
	m.connections.Inc()
	m.handshakes.WithLabelValues("101").Inc()
}

func (m *metrics) Refused(status int) {
	label := "other"
	switch status {
	case 400, 403, 405, 426, 500, 501, 503:
		label = strconv.Itoa(status)
	}
	m.handshakes.WithLabelValues(label).Inc()
}

func (m *metrics) Closed(code uint16) {
	m.connections.Dec()
	m.closes.WithLabelValues(closeLabel(code)).Inc()
}

func (m *metrics) Received(bytes int) {
	m.messagesIn.Inc()
	m.bytesIn.Add(float64(bytes))
}

func (m *metrics) Sent(bytes int) {
	m.messagesOut.Inc()
	m.bytesOut.Add(float64(bytes))
}

// closeLabel keeps the codes of RFC 6455 and of the protocol. A client may send
// any of 3000 to 4999.
func closeLabel(code uint16) string {
	if code >= 1000 && code <= 1015 {
		return strconv.Itoa(int(code))
	}
	for _, d := range native.Disconnects {
		if uint16(d.Code) == code {
			return strconv.Itoa(int(code))
		}
	}
	return "other"
}
