package proof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
)

// A network is made of namespaces of the kernel: one for each node, and a router that they reach each other and
// this machine by. What the router drops is lost in silence, as on a real network: no connection is told.
// That takes root, and iproute2.
//
//	10.N.0.1, 10.N.0.9 this machine ── router ── 10.N.1.2, 10.N.2.2, … nodes
type network struct {
	name  string
	octet int
	nodes int
	rules [][]string // those that drop something
}

// NetworkAllowed returns why no network of this kind can be made here.
func NetworkAllowed() error {
	n, err := newNetwork(1)
	if err != nil {
		return err
	}
	return n.close()
}

// newNetwork makes one for so many nodes.
func newNetwork(nodes int) (*network, error) {
	const lowest, highest, tries = 64, 250, 20
	var err error
	for range tries {
		n := &network{octet: lowest + rand.IntN(highest-lowest), nodes: nodes}
		n.name = fmt.Sprint("rw", n.octet)
		if err = ip("netns", "add", n.router()); err != nil {
			continue // another run has it
		}
		if err = n.build(); err != nil {
			return nil, errors.Join(err, n.close())
		}
		return n, nil
	}
	return nil, err
}

func (n *network) router() string       { return n.name + "-r" }
func (n *network) space(i int) string   { return fmt.Sprint(n.name, "-", i) }
func (n *network) machine() string      { return fmt.Sprintf("10.%d.0.1", n.octet) }
func (n *network) host(i int) string    { return fmt.Sprintf("10.%d.%d.2", n.octet, i+1) }
func (n *network) gateway(i int) string { return fmt.Sprintf("10.%d.%d.1", n.octet, i+1) }

// brokers is this machine's address for what is on the way to a broker.
func (n *network) brokers() string { return fmt.Sprintf("10.%d.0.9", n.octet) }

// inside returns what comes before a command that is to run where a node is.
func (n *network) inside(i int) []string { return []string{"ip", "netns", "exec", n.space(i)} }

func (n *network) build() error {
	end, next := n.name+"-m", fmt.Sprintf("10.%d.0.2", n.octet)
	steps := [][]string{
		{"netns", "exec", n.router(), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"},
		{"link", "add", end, "type", "veth", "peer", "name", "machine", "netns", n.router()},
		{"addr", "add", n.machine() + "/24", "dev", end},
		{"addr", "add", n.brokers() + "/32", "dev", end},
		{"link", "set", end, "up"},
		{"-n", n.router(), "addr", "add", next + "/24", "dev", "machine"},
		{"-n", n.router(), "link", "set", "machine", "up"},
	}
	for i := range n.nodes {
		to := fmt.Sprint("node", i)
		steps = append(steps, [][]string{
			{"netns", "add", n.space(i)},
			{"-n", n.router(), "link", "add", to, "type", "veth", "peer", "name", "router", "netns", n.space(i)},
			{"-n", n.router(), "addr", "add", n.gateway(i) + "/24", "dev", to},
			{"-n", n.router(), "link", "set", to, "up"},
			{"-n", n.space(i), "addr", "add", n.host(i) + "/24", "dev", "router"},
			{"-n", n.space(i), "link", "set", "router", "up"},
			{"-n", n.space(i), "link", "set", "lo", "up"},
			{"-n", n.space(i), "route", "add", "default", "via", n.gateway(i)},
			{"route", "add", n.host(i) + "/32", "via", next, "src", n.machine()},
		}...)
	}
	for _, args := range steps {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return nil
}

// drop has everything dropped from now on that one address sends to another one.
func (n *network) drop(from, to string) error {
	rule := []string{"from", from, "to", to, "blackhole"}
	if err := n.rule("add", rule); err != nil {
		return err
	}
	n.rules = append(n.rules, rule)
	return nil
}

// heal ends all that.
func (n *network) heal() error {
	var failed []error
	for _, rule := range n.rules {
		failed = append(failed, n.rule("del", rule))
	}
	n.rules = nil
	return errors.Join(failed...)
}

func (n *network) rule(verb string, rule []string) error {
	return ip(append([]string{"-n", n.router(), "rule", verb}, rule...)...)
}

// close takes everything away. Nothing runs in the namespaces any more.
func (n *network) close() error {
	var failed []error
	for i := range n.nodes {
		failed = append(failed, ip("netns", "del", n.space(i)))
	}
	return errors.Join(append(failed, ip("netns", "del", n.router()))...) // and the machine's end with it
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput() //nolint:gosec,noctx // it is ours, and takes milliseconds
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
